"""A small index that takes every way through the models, as files for the landing folder.

What belongs here: gaps, outliers, denominators, all normalisations and means, two editions that differ in both data and
weights, and a later file with corrections and rows that are refused. Large indices come from ``benchmarks.generated``.
The rows are the same in every run and say nothing of any city.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from city_index.settings import Settings

INDEX = "every_method"
YEARS = ("2019", "2020")
STATISTIC = "population"
CITIES, LEAVES = 120, 48
SEED = 20210401
CORRECTIONS = 60

_PRIMARIES, _SECONDARIES, _PROVINCES = 4, 3, 12
_GAP_SHARE = 0.03
_LARGE = 40
_NODE = (
    "index_code", "edition", "indicator_code", "parent_code", "name_zh", "name_en", "weight", "direction",
    "normalisation", "norm_low", "norm_high", "aggregation", "missing_policy", "min_coverage", "denominator",
    "imputation", "treatment", "treatment_limit",
)  # fmt: skip

_HEADER = ("index_code", "edition", "city_code", "indicator_code", "value")

# Rows of the later file that are refused: a value that is no number, a city that nobody knows, an inner node; and one
# that the same file gives twice, with different values.
_REFUSED = (
    (INDEX, YEARS[0], "place_000", "leaf_00", "many"),
    (INDEX, YEARS[0], "no_such_place", "leaf_00", 50),
    (INDEX, YEARS[1], "place_001", "p0s0", 50),
    (INDEX, YEARS[1], "place_002", "leaf_01", 40),
    (INDEX, YEARS[1], "place_002", "leaf_01", 60),
)
REFUSED = len(_REFUSED)

# The methods of the leaves, in turn.
_METHODS: tuple[dict[str, Any], ...] = (
    {"normalisation": "min_max", "treatment": "winsorise", "treatment_limit": 3},
    {"normalisation": "min_max", "denominator": STATISTIC},
    {"normalisation": "z_score", "imputation": "mean"},
    {"normalisation": "percentile_rank", "direction": -1},
    {"normalisation": "goalposts", "norm_low": 20, "norm_high": 80, "imputation": "province_median"},
    {"normalisation": "fraction_of_max", "imputation": "previous_edition"},
    {"normalisation": "log_goalposts", "norm_low": 1, "norm_high": 90},
    {"normalisation": "distance_to_target", "norm_high": 100},
    {"normalisation": "distance_to_reference", "norm_low": 60},
    {"normalisation": "borda"},
    {"normalisation": "rank", "direction": -1},
)
# Under these means a score has to lie above 0.
_POSITIVE_MEANS = ("geometric", "harmonic")
_MEANS = ("arithmetic", "geometric", "harmonic")
_POLICIES = ("renormalise", "zero", "fail", "renormalise")

_CODES = [f"place_{number:03d}" for number in range(CITIES)]


def _cities() -> Iterator[Sequence[Any]]:
    for number, code in enumerate(_CODES):
        province = number % _PROVINCES
        yield code, f"地{number}", f"Place {number}", f"省{province}", f"Province {province}"


def _parent(leaf: int) -> tuple[str, str]:
    """The secondary that a leaf stands below, and its mean."""
    primary, secondary = divmod(leaf % (_PRIMARIES * _SECONDARIES), _SECONDARIES)
    return f"p{primary}s{secondary}", _MEANS[secondary]


def _method(leaf: int) -> dict[str, Any]:
    return {"normalisation": "score"} if _parent(leaf)[1] in _POSITIVE_MEANS else _METHODS[leaf % len(_METHODS)]


def _nodes() -> Iterator[dict[str, Any]]:
    """The trees: the weights of one edition are not those of the other."""
    for number, year in enumerate(YEARS):
        key = {"index_code": INDEX, "edition": year, "name_zh": "指标", "name_en": "Indicator"}
        yield key | {"indicator_code": "total", "weight": 1}
        for primary, policy in enumerate(_POLICIES):
            code = f"p{primary}"
            weight = 1 + primary + number % 3
            yield key | {"indicator_code": code, "parent_code": "total", "weight": weight, "missing_policy": policy}
            for secondary, mean in enumerate(_MEANS):
                node = {"indicator_code": f"{code}s{secondary}", "parent_code": code, "weight": 1 + secondary}
                yield key | node | {"aggregation": mean, "min_coverage": 0.5}
        for leaf in range(LEAVES):
            node = {"indicator_code": f"leaf_{leaf:02d}", "parent_code": _parent(leaf)[0]}
            yield key | node | {"weight": 1 + (leaf + number) % 7} | _method(leaf)


def _observations() -> Iterator[Sequence[Any]]:
    """Values in 1..100 around what a city is good for, with gaps; and outliers of the leaves that are winsorised."""
    rng = np.random.default_rng(SEED)
    quality = rng.normal(0, 1, CITIES)
    for year in YEARS:
        quality = quality + rng.normal(0, 0.1, CITIES)
        for leaf in range(LEAVES):
            values = np.clip(50 + 12 * (0.6 * quality + 0.8 * rng.normal(0, 1, CITIES)), 1, 100)
            if "treatment" in _method(leaf):
                values[rng.integers(0, CITIES, 2)] *= _LARGE
            for place in np.flatnonzero(rng.random(CITIES) >= _GAP_SHARE):
                yield INDEX, year, _CODES[place], f"leaf_{leaf:02d}", round(float(values[place]), 4)


def _statistics() -> Iterator[Sequence[Any]]:
    rng = np.random.default_rng(SEED + 1)
    for code, number in zip(_CODES, np.exp(rng.normal(math.log(300), 0.8, CITIES)), strict=True):
        yield code, YEARS[0], STATISTIC, round(float(number), 2), "10k_persons"


def write_index(settings: Settings) -> None:
    """Write the files of the index into the landing folder of a home."""
    nodes = ([node.get(name, "") for name in _NODE] for node in _nodes())
    _write(settings, "cities", ("city_code", "name_zh", "name_en", "province_zh", "province_en"), _cities())
    _write(settings, "frameworks", _NODE, nodes)
    _write(settings, "statistics", ("city_code", "year", "statistic_code", "value", "unit"), _statistics())
    _write(settings, "observations", _HEADER, _observations())


def write_corrections(settings: Settings) -> None:
    """Write a later file of the index: ``CORRECTIONS`` values that replace earlier ones, and ``REFUSED`` wrong rows."""
    observed = list(_observations())
    chosen = np.random.default_rng(SEED + 2).choice(len(observed), CORRECTIONS, replace=False)
    corrected = [(*observed[place][:-1], round(100.5 - min(observed[place][-1], 100), 4)) for place in chosen]
    _write(settings, "observations", _HEADER, [*corrected, *_REFUSED], name=f"{INDEX}_corrections")


def _write(
    settings: Settings, kind: str, header: Sequence[str], rows: Iterable[Sequence[Any]], name: str = INDEX
) -> None:
    target: Path = settings.landing / kind / f"{name}.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
