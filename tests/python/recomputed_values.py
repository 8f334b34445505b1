"""The values of a leaf once more, in plain Python: observations divided by statistics, and gaps filled.

Part of the independent recomputation (``recomputation``); written from the documented method and with nothing of the
project's SQL. What becomes of the values is ``recomputed_leaves``'s.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from recomputed_leaves import Numbers

Row = dict[str, str]


def _year(edition: str) -> int | None:
    return int(edition) if edition.isascii() and edition.isdigit() else None


def in_order(editions: Iterable[str]) -> dict[str, float]:
    """The editions from the first to the last, each with its place in time: its number, or its position."""
    found = set(editions)
    if all(_year(edition) is not None for edition in found):
        return {edition: float(_year(edition)) for edition in sorted(found, key=_year)}
    return {edition: float(position) for position, edition in enumerate(sorted(found), start=1)}


class Statistics:
    """Statistics of cities by code and year; what is not above 0 divides nothing and is left out."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._values: dict[str, dict[int, Numbers]] = defaultdict(lambda: defaultdict(dict))
        for row in rows:
            if row["value"] != "" and float(row["value"]) > 0:
                self._values[row["statistic_code"]][int(row["year"])][row["city_code"]] = float(row["value"])

    def of_edition(self, statistic_code: str, edition: str, cities: set[str]) -> Numbers:
        """The statistic of the year that suits the edition best: not after it, of most cities, the newest."""

        def suitability(year: int) -> tuple[bool, int, int]:
            is_known = _year(edition) is None or year <= _year(edition)
            return is_known, len(cities & years[year].keys()), year

        years = self._values.get(statistic_code, {})
        useful = [year for year in years if cities & years[year].keys()]
        return years[max(useful, key=suitability)] if useful else {}


@dataclass(frozen=True)
class Groups:
    """What the cities of an edition are grouped by: each gives a city's group, or None."""

    province: Callable[[str], str | None]
    cluster: Callable[[str], str | None]
    tier: Callable[[str], str | None]


def _mean(values: list[float]) -> float:
    mean = math.fsum(values) / len(values)
    if min(values) < max(values) and 1e-7 <= abs(mean) < 1e15:
        mean = float(f"{mean:.15g}")
    return min(max(mean, min(values)), max(values))


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def imputed_from_cities(imputation: str, present: Numbers, missing: Iterable[str], groups: Groups) -> Numbers:
    """Means and medians for the missing cities, of all present ones or of those in the same group."""
    *kind, statistic = imputation.split("_")
    group_of = getattr(groups, kind[0]) if kind else lambda _city: "all"
    values: dict[str | None, list[float]] = defaultdict(list)
    for city, value in present.items():
        values[group_of(city)].append(value)
    take = {"mean": _mean, "median": _median}[statistic]
    return {
        city: take(values[group_of(city)]) for city in missing if group_of(city) is not None and values[group_of(city)]
    }


def imputed_from_editions(
    imputation: str, edition: str, missing: Iterable[str], present: dict[str, Numbers]
) -> Numbers:
    """Values for the missing cities from those present in other editions, which are given in their order."""
    places = in_order(present)
    order = list(places)
    here = order.index(edition)
    filled: Numbers = {}
    for city in missing:
        if imputation == "previous_edition":
            if here > 0 and city in present[order[here - 1]]:
                filled[city] = present[order[here - 1]][city]
            continue
        before = [other for other in order[:here] if city in present[other]]
        after = [other for other in order[here + 1 :] if city in present[other]]
        if before and after:
            first, last = before[-1], after[0]
            start, end = present[first][city], present[last][city]
            elapsed, span = places[edition] - places[first], places[last] - places[first]
            filled[city] = start + (end - start) * elapsed / span
    return filled
