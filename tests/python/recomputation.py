"""An index once more, in plain Python and with nothing of the project's SQL: the second opinion.

Written from the documented method. Here one index is taken through its steps, edition by edition, to the rows of
fct_indicator_scores; the steps themselves stand in ``recomputed_values``, ``recomputed_leaves`` and
``recomputed_trees``.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from recomputed_leaves import Leaf, Numbers, Reasons, normalise, number, treat
from recomputed_trees import DECIMALS, ROOT, Scores, Tree
from recomputed_values import Groups, Row, Statistics, imputed_from_cities, imputed_from_editions, in_order

__all__ = ["COMPARED", "ROOT", "TOLERANCE", "Result", "Surroundings", "differences", "recompute"]

TOLERANCE = 1e-9

NOT_OBSERVED = "not_observed"
NO_DENOMINATOR = "no_denominator"
IMPUTED = "imputed"


@dataclass(frozen=True)
class Result:
    """What one node of one city should come to; the steps that led there are for counting, not for comparing."""

    score: float | None
    rank: int | None
    contribution: float | None
    contribution_method: str | None
    coverage_share: float
    child_coverage_share: float | None
    weighted_coverage_share: float
    is_imputed: bool
    provenance: str | None
    missing_reason: str | None
    steps: frozenset[str] = field(default=frozenset(), compare=False)


# Compared to the tolerance; everything else that is compared is to be the same.
_NUMBERS = ("score", "contribution", "coverage_share", "child_coverage_share", "weighted_coverage_share")
COMPARED = tuple(each.name for each in fields(Result) if each.compare)


def differences(expected: dict[Any, Result], computed: dict[Any, Result]) -> list[str]:
    """Where two sets of results by any key differ, in words; numbers to 1e-9, relative where they exceed 1."""
    found = [f"rows: {sorted(expected.keys() ^ computed.keys())[:5]}"] if expected.keys() != computed.keys() else []
    for key in sorted(expected.keys() & computed.keys()):
        for name in COMPARED:
            want, have = getattr(expected[key], name), getattr(computed[key], name)
            is_near = want == have
            if name in _NUMBERS and want is not None and have is not None:
                is_near = abs(want - have) <= TOLERANCE * max(1.0, abs(want))
            if not is_near:
                found.append(f"{key}: {name} {have} instead of {want}")
    return found


class Surroundings:
    """What stands around the indices and is the same for all of them: statistics, provinces and clusters."""

    def __init__(
        self,
        statistics: Iterable[Row] = (),
        cities: Iterable[Row] = (),
        cluster_members: Iterable[Row] = (),
    ) -> None:
        self.statistics = Statistics(statistics)
        self.provinces = {row["city_code"]: row.get("province_zh") or row.get("province_en") or None for row in cities}
        self.clusters = {row["city_code"]: row["cluster_code"] for row in cluster_members if row["city_code"]}


@dataclass
class _Cells:
    """A leaf in one edition: who has a value and whence, the scores, and why a city has none."""

    leaf: Leaf
    observed: Numbers
    imputed: Numbers
    treated: Numbers
    scores: Numbers
    reasons: Reasons

    def steps_of(self, city: str) -> frozenset[str]:
        steps = set()
        if city in self.imputed:
            steps.add(f"imputed:{self.leaf.imputation}")
        elif city in self.observed and self.leaf.denominator:
            steps.add("denominated")
        if city in self.treated and self.treated[city] != (self.observed | self.imputed)[city]:
            steps.add(f"treated:{self.leaf.treatment}")
        if city in self.scores:
            steps.add(f"normalised:{self.leaf.normalisation}:{self.leaf.direction}")
        return frozenset(steps)


class _Index:
    """One index with its editions."""

    def __init__(
        self, frameworks: Iterable[Row], observations: Iterable[Row], surroundings: Surroundings, tiers: Iterable[Row]
    ) -> None:
        rows: dict[str, list[Row]] = defaultdict(list)
        for row in frameworks:
            rows[row.get("edition", "")].append(row)
        self.trees = {edition: Tree(rows[edition]) for edition in in_order(rows)}
        self.observed: dict[str, dict[str, Numbers]] = {edition: defaultdict(dict) for edition in self.trees}
        self.provenances: dict[tuple[str, str, str], str] = {}
        self.cities: dict[str, set[str]] = {edition: set() for edition in self.trees}
        for row in observations:
            if row["value"] != "":
                edition, city, code = row.get("edition", ""), row["city_code"], row["indicator_code"]
                self.observed[edition][code][city] = float(row["value"])
                self.provenances[edition, city, code] = row.get("provenance") or "observed"
                self.cities[edition].add(city)
        self.surroundings = surroundings
        self.tiers = sorted(tiers, key=lambda row: int(row["tier_ordinal"]))

    def denominated(self, edition: str, code: str, denominator: str) -> Numbers:
        """The observations of a leaf, each divided by the statistic of its city where there is one to divide by."""
        values = self.observed[edition][code]
        if not denominator:
            return dict(values)
        divisors = self.surroundings.statistics.of_edition(denominator, edition, self.cities[edition])
        return {city: value / divisors[city] for city, value in values.items() if city in divisors}

    def scored_leaf(self, edition: str, code: str, leaf: Leaf, groups: Groups) -> _Cells:
        """A leaf taken through its four steps: denominate, impute, treat, normalise."""
        observed = self.denominated(edition, code, leaf.denominator)
        missing = self.cities[edition] - observed.keys()
        imputed: Numbers = {}
        if leaf.imputation in ("previous_edition", "linear"):
            present = {other: self.denominated(other, code, leaf.denominator) for other in self.trees}
            imputed = imputed_from_editions(leaf.imputation, edition, missing, present)
        elif leaf.imputation != "none":
            imputed = imputed_from_cities(leaf.imputation, observed, missing, groups)
        treated, untreatable = treat(leaf, observed | imputed)
        scores, without_score = normalise(leaf, treated)
        absent = {
            city: NO_DENOMINATOR if city in self.observed[edition][code] else NOT_OBSERVED
            for city in missing - imputed.keys()
        }
        return _Cells(leaf, observed, imputed, treated, scores, absent | untreatable | without_score)

    def scored_leaves(self, edition: str, leaves: dict[str, Leaf], groups: Groups) -> dict[str, _Cells]:
        return {code: self.scored_leaf(edition, code, leaf, groups) for code, leaf in leaves.items()}

    def scored_cities(self, edition: str, cells: dict[str, _Cells]) -> dict[str, tuple[dict, dict]]:
        """Every city's scores of all nodes, with the reasons of inner nodes that have none."""
        return {
            city: self.trees[edition].score({code: cell.scores.get(city) for code, cell in cells.items()})
            for city in self.cities[edition]
        }

    def provisional_tiers(self, edition: str, leaves: dict[str, Leaf], groups: Groups) -> dict[str, str]:
        """The tiers that the cities would have if nothing was imputed and nothing treated."""
        as_landed = {code: leaf.as_landed() for code, leaf in leaves.items()}
        found = {}
        cells = self.scored_leaves(edition, as_landed, groups)
        for city, (scores, _reasons) in self.scored_cities(edition, cells).items():
            if scores[ROOT] is not None:
                tier = self._tier_of(round(scores[ROOT], DECIMALS))
                if tier is not None:
                    found[city] = tier
        return found

    def _tier_of(self, score: float) -> str | None:
        upper = math.inf
        for row in self.tiers:
            lower = number(row, "lower_bound_score", -math.inf)
            if lower < score <= upper:
                return row["tier_code"]
            upper = lower
        return None

    def results(self, edition: str) -> dict[tuple[str, str, str], Result]:
        """The rows of one edition."""
        tree = self.trees[edition]
        leaves = {code: Leaf.of(tree.rows[code]) for code in tree.leaves}
        tiers: dict[str, str] = {}
        groups = Groups(self.surroundings.provinces.get, self.surroundings.clusters.get, tiers.get)
        if self.tiers and any(leaf.imputation.startswith("tier_") for leaf in leaves.values()):
            tiers.update(self.provisional_tiers(edition, leaves, groups))
        cells = self.scored_leaves(edition, leaves, groups)
        scored = self.scored_cities(edition, cells)
        contributions = {city: tree.contributions(scores) for city, (scores, _reasons) in scored.items()}
        found = {}
        for code in tree.rows:
            rounded = {city: round(s[code], DECIMALS) for city, (s, _reasons) in scored.items() if s[code] is not None}
            for city, (scores, reasons) in scored.items():
                contribution = contributions[city][code]
                found[edition, city, code] = Result(
                    score=scores[code],
                    rank=1 + sum(other > rounded[city] for other in rounded.values()) if city in rounded else None,
                    contribution=contribution,
                    contribution_method=None if contribution is None else tree.contribution_method(code),
                    missing_reason=cells[code].reasons.get(city) if code in cells else reasons.get(code),
                    steps=cells[code].steps_of(city) if code in cells else self._step(tree, code, city in rounded),
                    **self._foundations(edition, city, code, scores, cells),
                )
        return found

    def _foundations(self, edition: str, city: str, code: str, scores: Scores, cells: dict[str, _Cells]) -> dict:
        """What a node of a city rests on, whatever its score."""
        tree = self.trees[edition]
        below, children = tree.leaves_below(code), tree.children[code]
        observed = [leaf for leaf in below if city in cells[leaf].observed]
        is_imputed = any(city in cells[leaf].imputed for leaf in below)
        provenances = {self.provenances[edition, city, leaf] for leaf in observed} | (
            {IMPUTED} if is_imputed else set()
        )
        scored_count = sum(scores[child] is not None for child in children)
        weight_sums = [math.fsum(tree.nominal_weights[leaf] for leaf in leaves) for leaves in (observed, below)]
        return {
            "coverage_share": len(observed) / len(below),
            "child_coverage_share": scored_count / len(children) if children else None,
            "weighted_coverage_share": weight_sums[0] / weight_sums[1],
            "is_imputed": is_imputed,
            "provenance": "mixed" if len(provenances) > 1 else next(iter(provenances), None),
        }

    @staticmethod
    def _step(tree: Tree, code: str, is_scored: bool) -> frozenset[str]:
        aggregation = tree.choice(code, "aggregation", "arithmetic")
        policy = tree.choice(code, "missing_policy", "renormalise")
        return frozenset({f"aggregated:{aggregation}:{policy}"} if is_scored else ())


def recompute(
    frameworks: Iterable[Row],
    observations: Iterable[Row],
    surroundings: Surroundings | None = None,
    tiers: Iterable[Row] = (),
) -> dict[tuple[str, str, str], Result]:
    """Every node of every city in every edition of one index.

    Args:
        frameworks: the index's rows of framework files, of all its editions.
        observations: the index's rows of observation files, of all its editions.
        surroundings: statistics, provinces and clusters.
        tiers: the index's tiers.

    Returns:
        the results by edition, city and indicator.
    """
    index = _Index(frameworks, observations, surroundings or Surroundings(), tiers)
    return {key: result for edition in index.trees for key, result in index.results(edition).items()}
