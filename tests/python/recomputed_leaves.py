"""One leaf of an index once more, in plain Python: how the values of its cities are treated and become scores.

Part of the independent recomputation (``recomputation``); written from the documented method and with nothing of the
project's SQL. Where values come from is ``recomputed_values``'s, what is made of scores ``recomputed_trees``'s.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace
from fractions import Fraction

NO_SPREAD = "no_spread"
NOT_POSITIVE = "not_positive"
OUT_OF_RANGE = "out_of_range"
TOO_LARGE = "too_large"

SKEWNESS_LIMIT = 2
KURTOSIS_LIMIT = Fraction(7, 2)
SIZE_LIMIT = 1e15

# Values or scores by city, and why a city has none.
Numbers = dict[str, float]
Reasons = dict[str, str]


def number(row: dict[str, str], name: str, default: float | None = None) -> float | None:
    """A number of a row of a CSV file; the default where it is empty or the file has no such column."""
    text = row.get(name) or ""
    return float(text) if text != "" else default


@dataclass(frozen=True)
class Leaf:
    """The method of a leaf, as its row of the framework says it."""

    direction: int = 1
    normalisation: str = "score"
    norm_low: float | None = None
    norm_high: float | None = None
    scale_low: float = 0.0
    scale_high: float = 100.0
    treatment: str = "none"
    treatment_limit: int = 5
    imputation: str = "none"
    denominator: str = ""

    @staticmethod
    def of(row: dict[str, str]) -> Leaf:
        normalisation = row.get("normalisation") or "score"
        return Leaf(
            direction=int(row.get("direction") or 1),
            normalisation=normalisation,
            norm_low=number(row, "norm_low"),
            norm_high=number(row, "norm_high"),
            scale_low=number(row, "scale_low", 0.0),
            scale_high=number(row, "scale_high", 1.0 if normalisation == "z_score" else 100.0),
            treatment=row.get("treatment") or "none",
            treatment_limit=int(row.get("treatment_limit") or 5),
            imputation=row.get("imputation") or "none",
            denominator=row.get("denominator") or "",
        )

    def as_landed(self) -> Leaf:
        """The same leaf with nothing imputed and nothing treated."""
        return replace(self, treatment="none", imputation="none")


def shape(values: list[float]) -> tuple[int, Fraction, Fraction] | None:
    """Skewness and excess kurtosis of a sample: the sign of G1, its square and G2, all of them exact.

    A sum of rounded cubes may say that three equal values and a different one are skewed by a little more than 2.
    They are skewed by 2.
    """
    n = len(values)
    mean = sum(map(Fraction, values)) / n
    squares, cubes, fourths = (sum((Fraction(value) - mean) ** power for value in values) for power in (2, 3, 4))
    if n < 4 or squares == 0:
        return None
    variance = squares / (n - 1)
    squared_skewness = (Fraction(n, (n - 1) * (n - 2)) * cubes) ** 2 / variance**3
    kurtosis = Fraction(n * (n + 1), (n - 1) * (n - 2) * (n - 3)) * fourths / variance**2
    kurtosis -= Fraction(3 * (n - 1) ** 2, (n - 2) * (n - 3))
    return (cubes > 0) - (cubes < 0), squared_skewness, kurtosis


def winsorised_bounds(values: list[float], limit: int) -> tuple[float, float]:
    """The least and the greatest value that are left when outliers are drawn in, at most so many of them.

    A step after which all values would be equal is not taken.
    """
    ordered = sorted(values)
    low_count = high_count = 0
    while True:
        least, greatest = ordered[low_count], ordered[-1 - high_count]
        measured = shape([min(max(value, least), greatest) for value in values])
        if measured is None:
            return least, greatest
        sign, squared_skewness, kurtosis = measured
        is_outlying = squared_skewness > SKEWNESS_LIMIT**2 and kurtosis > KURTOSIS_LIMIT
        count = low_count + high_count
        if not (is_outlying and count < limit and count + 1 < len(values)):
            return least, greatest
        step_low, step_high = (0, 1) if sign > 0 else (1, 0)
        if ordered[low_count + step_low] == ordered[-1 - high_count - step_high]:
            return least, greatest
        low_count, high_count = low_count + step_low, high_count + step_high


def treat(leaf: Leaf, values: Numbers) -> tuple[Numbers, Reasons]:
    """The values with outliers drawn in or as logarithms."""
    if leaf.treatment == "winsorise" and values:
        least, greatest = winsorised_bounds(list(values.values()), leaf.treatment_limit)
        return {city: min(max(value, least), greatest) for city, value in values.items()}, {}
    if leaf.treatment == "log":
        logarithms = {city: math.log(value) for city, value in values.items() if value > 0}
        return logarithms, dict.fromkeys(values.keys() - logarithms.keys(), NOT_POSITIVE)
    return dict(values), {}


def normalise(leaf: Leaf, values: Numbers) -> tuple[Numbers, Reasons]:
    """The scores of treated values, and why a value has none."""
    if leaf.normalisation == "score":
        scores = {c: v if leaf.direction == 1 else 100.0 - v for c, v in values.items() if 0 <= v <= 100}
        return scores, dict.fromkeys(values.keys() - scores.keys(), OUT_OF_RANGE)
    if len(values) < 2 or min(values.values()) == max(values.values()):
        return {}, dict.fromkeys(values, NO_SPREAD)
    if leaf.normalisation in ("goalposts", "log_goalposts"):
        scores, reasons = _between_goalposts(leaf, values)
    else:
        scores = _among_the_cities(leaf, {city: leaf.direction * value for city, value in values.items()})
        reasons = dict.fromkeys(values.keys() - scores.keys(), NO_SPREAD)
    too_large = {city: TOO_LARGE for city, score in scores.items() if abs(score) >= SIZE_LIMIT}
    return {city: score for city, score in scores.items() if city not in too_large}, reasons | too_large


def _on_scale(leaf: Leaf, share: float) -> float:
    return leaf.scale_low + share * (leaf.scale_high - leaf.scale_low)


def _between_goalposts(leaf: Leaf, values: Numbers) -> tuple[Numbers, Reasons]:
    is_log = leaf.normalisation == "log_goalposts"
    measure = math.log if is_log else float
    low, high = measure(leaf.norm_low), measure(leaf.norm_high)
    scores: Numbers = {}
    reasons: Reasons = {}
    for city, value in values.items():
        if is_log and value <= 0:
            reasons[city] = NOT_POSITIVE
            continue
        share = min(max((measure(value) - low) / (high - low), 0.0), 1.0)
        scores[city] = _on_scale(leaf, share if leaf.direction == 1 else 1.0 - share)
    return scores, reasons


def _among_the_cities(leaf: Leaf, directed: Numbers) -> Numbers:
    """Scores that depend on the other cities; none where the measure they are held against is no distance."""
    n, least, greatest = len(directed), min(directed.values()), max(directed.values())
    if leaf.normalisation == "z_score":
        mean, deviation = sum(map(Fraction, directed.values())) / n, statistics.stdev(directed.values())
        lead = {city: float(Fraction(value) - mean) / deviation for city, value in directed.items()}
        return {city: leaf.scale_low + leaf.scale_high * share for city, share in lead.items()}
    if leaf.normalisation in ("rank", "borda", "percentile_rank"):
        below = {city: sum(other < value for other in directed.values()) for city, value in directed.items()}
        if leaf.normalisation == "percentile_rank":
            return {city: _on_scale(leaf, count / (n - 1)) for city, count in below.items()}
        return {city: float(count + (leaf.normalisation == "rank")) for city, count in below.items()}
    if leaf.normalisation == "min_max":
        shares = {city: (value - least) / (greatest - least) for city, value in directed.items()}
    elif leaf.normalisation == "fraction_of_max":
        shares = {city: value / greatest for city, value in directed.items()} if greatest != 0 else {}
    elif leaf.normalisation == "distance_to_target":
        target = leaf.direction * leaf.norm_high
        shares = {city: (value - least) / (target - least) for city, value in directed.items() if target != least}
    elif leaf.normalisation == "distance_to_reference":
        reference = leaf.direction * leaf.norm_low
        shares = {
            city: 1.0 - (reference - value) / (reference - least)
            for city, value in directed.items()
            if reference != least
        }
    else:
        raise ValueError(leaf.normalisation)
    return {city: _on_scale(leaf, share) for city, share in shares.items()}
