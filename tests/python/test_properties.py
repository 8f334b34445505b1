"""What holds of the index whatever the framework and the values: properties, tried on the project's compiled SQL."""

from __future__ import annotations

import math
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from index_rows import ROOT, Row, Rows, node, observation, one_parent_index, renamed, together
from random_trees import (
    AGGREGATIONS,
    IMPUTATIONS,
    NORMALISATIONS,
    PLAIN_NORMALISATIONS,
    random_index,
    random_surroundings,
)
from recomputation import COMPARED, TOLERANCE, Result, Surroundings, differences, recompute
from warehouse import Warehouse

pytestmark = pytest.mark.slow

Cell = dict[str, Any]

# One run of the compiled SQL takes half a second, so that each example tries many variants at once.
MANY = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
FEW = settings(MANY, max_examples=12)

PROVINCES = ["Anhui", "Anhui", "Anhui", "Anhui", "Jiangsu", "Jiangsu", "Jiangsu", "", "Gansu", "Gansu"]
CITIES = [
    {"city_code": f"city_{number}", "name_zh": f"城{number}", "name_en": f"City {number}", "province_zh": province}
    for number, province in enumerate(PROVINCES)
]
MEMBERS = [
    {"cluster_code": "k" if number % 2 else "l", "name_zh": f"城{number}", "city_code": f"city_{number}"}
    for number in range(1, len(CITIES), 2)
]
PLACES = [row["city_code"] for row in CITIES]
SURROUNDINGS, CITY_CODES = random_surroundings(random.Random(7), PLACES)
SEEDS = st.integers(min_value=0, max_value=2**32)

MAPPED = ("min_max", "percentile_rank", "goalposts", "log_goalposts")


@pytest.fixture(scope="module")
def warehouse(compiled: Path) -> Warehouse:
    return Warehouse(compiled)


def computed(warehouse: Warehouse, rows: Rows, shuffle: Callable[[list], None] = lambda _rows: None) -> list[Cell]:
    """The scores of indices among the cities and statistics that all of them share."""
    seeds = {
        "frameworks": rows.frameworks,
        "observations": rows.observations,
        "tiers": rows.tiers,
        "statistics": SURROUNDINGS.statistics,
        "cities": CITIES + SURROUNDINGS.cities,
        "cluster_members": MEMBERS,
    }
    seeds = {name: list(found) for name, found in seeds.items()}
    for found in seeds.values():
        shuffle(found)
    return warehouse.run(**seeds)


def by_key(cells: Iterable[Cell], index_code: str) -> dict[tuple[str, str, str], Cell]:
    """The cells of one index by edition, city and indicator."""
    return {
        (cell["edition"], cell["city_code"], cell["indicator_code"]): cell
        for cell in cells
        if cell["index_code"] == index_code
    }


NORMS = {
    "goalposts": {"norm_low": "-7.5", "norm_high": "40"},
    "log_goalposts": {"norm_low": "0.25", "norm_high": "400"},
}
# What a value is held against lies ahead of all values in the leaf's direction.
AHEAD = {"distance_to_target": "norm_high", "distance_to_reference": "norm_low"}
SCALES = st.sampled_from([(0.0, 100.0), (1.0, 9.0), (-2.5, 0.1), (0.1, 0.7)])


def leaf(normalisation: str, scale: tuple[float, float], direction: int, treatment: str = "") -> Row:
    """A leaf with all that its normalisation needs."""
    ends = (
        {}
        if normalisation in ("score", "rank", "borda")
        else dict(zip(("scale_low", "scale_high"), scale, strict=True))
    )
    if normalisation == "z_score":
        ends["scale_high"] = 1.5
    return {
        "normalisation": normalisation,
        "direction": str(direction),
        "treatment": treatment,
        **{name: repr(end) for name, end in ends.items()},
        **NORMS.get(normalisation, {}),
        **({AHEAD[normalisation]: str(2500 * direction)} if normalisation in AHEAD else {}),
    }


def every_leaf(scale: tuple[float, float]) -> dict[str, Row]:
    """Leaves of every normalisation, direction and treatment that go together."""
    return {
        f"{normalisation}_{direction}_{treatment}": leaf(normalisation, scale, direction, treatment)
        for normalisation in NORMALISATIONS
        for direction in (1, -1)
        for treatment in ("none", "winsorise", "log")
        if treatment != "log" or normalisation in PLAIN_NORMALISATIONS
    }


# Ties, zeros, long tails and long decimals; and values at the ends of what a double holds.
DECIMALS = st.decimals(min_value=-999, max_value=999, places=3).map(float)
NEAR = st.one_of(st.integers(-4, 4).map(float), DECIMALS, st.sampled_from([0.0, 0.1, 900.0]))
FAR = st.one_of(NEAR, st.floats(allow_nan=False, allow_infinity=False, width=64))


def columns(values: st.SearchStrategy[float]) -> st.SearchStrategy[list[float]]:
    return st.lists(values, min_size=2, max_size=len(PLACES))


def is_near(a: float, b: float, scale: float = 1.0) -> bool:
    return abs(a - b) <= TOLERANCE * max(scale, abs(a), abs(b))


@MANY
@given(values=columns(NEAR), scale=SCALES)
def test_mapped_scores_stay_on_their_scale_and_directions_mirror_them(
    warehouse: Warehouse, values: list[float], scale: tuple[float, float]
) -> None:
    normalisations = [name for name in NORMALISATIONS if name not in ("score", "fraction_of_max")]
    leaves = {f"{name}_{direction}": leaf(name, scale, direction) for name in normalisations for direction in (1, -1)}
    rows = one_parent_index("x", PLACES, leaves, dict.fromkeys(leaves, values))
    cells = by_key(computed(warehouse, rows), "x")
    low, high = scale
    for name in normalisations:
        up, down = (
            [cells["2021", city, f"{name}_{direction}"]["score"] for city in PLACES[: len(values)]]
            for direction in (1, -1)
        )
        assert [score is None for score in up] == [score is None for score in down]
        found = [(v, a, b) for v, a, b in zip(values, up, down, strict=True) if a is not None]
        assert len(found) == len(values) or name == "log_goalposts" or len(set(values)) == 1
        for value, score, mirrored in found:
            if name in MAPPED:
                assert all(low - TOLERANCE <= each <= high + TOLERANCE for each in (score, mirrored))
            if name in ("min_max", "goalposts", "log_goalposts"):
                assert is_near(score + mirrored, low + high)
            if name == "z_score":
                assert is_near(score + mirrored, 2 * low)
            for other, other_score, other_mirrored in found:
                if value == other:
                    assert (score, mirrored) == (other_score, other_mirrored)
                elif value < other and name in ("rank", "borda", "percentile_rank"):
                    assert score < other_score and mirrored > other_mirrored
                elif value < other:
                    assert score <= other_score and mirrored >= other_mirrored


@MANY
@given(data=st.data(), scale=SCALES)
def test_leaves_agree_with_the_recomputation(
    warehouse: Warehouse, data: st.DataObject, scale: tuple[float, float]
) -> None:
    leaves = every_leaf(scale)
    drawn = {treatment: data.draw(columns(NEAR)) for treatment in ("none", "winsorise", "log")}
    values = {code: drawn[method["treatment"]] for code, method in leaves.items()}
    rows = one_parent_index("x", PLACES, leaves, values)
    found = {
        key: Result(**{name: cell[name] for name in COMPARED})
        for key, cell in by_key(computed(warehouse, rows), "x").items()
    }
    assert differences(recompute(rows.frameworks, rows.observations), found) == []


# The doors hold numbers below 1e300.
GREATEST, LEAST = 9.99e299, sys.float_info.min * sys.float_info.epsilon


@MANY
@given(values=columns(FAR), aggregation=st.sampled_from(AGGREGATIONS))
@example([GREATEST, -GREATEST, 0.0], "arithmetic")
@example([GREATEST, GREATEST * 0.999, 0.0, 1.0, 2.0], "geometric")
@example([0.0, LEAST, 2 * LEAST], "harmonic")
@example([1.0, 1.0 + sys.float_info.epsilon], "geometric")
@example([0.0, 0.0, 0.0, 0.0, 1e200], "harmonic")
def test_nothing_is_ever_infinite_or_no_number(warehouse: Warehouse, values: list[float], aggregation: str) -> None:
    leaves = every_leaf((0.0, 100.0))
    rows = one_parent_index("x", PLACES, leaves, dict.fromkeys(leaves, values))
    for row in rows.frameworks[:3]:
        row["aggregation"] = aggregation
    cells = computed(warehouse, rows)
    assert len({cell["city_code"] for cell in cells}) == len(values)
    assert_sound(cells)


def assert_sound(cells: list[Cell]) -> None:
    """What holds of every row by itself."""
    for cell in cells:
        numbers = [value for value in cell.values() if isinstance(value, float)]
        assert all(map(math.isfinite, numbers)), cell
        for name in ("coverage_share", "child_coverage_share", "weighted_coverage_share"):
            assert cell[name] is None or -TOLERANCE <= cell[name] <= 1 + TOLERANCE, cell
        assert (cell["child_coverage_share"] is None) == (cell["level"] == 3), cell
        assert (cell["score"] is None) == (cell["rank"] is None) == (cell["missing_reason"] is not None), cell
        assert (cell["contribution"] is None) == (cell["contribution_method"] is None), cell
        assert cell["contribution"] is None or cell["score"] is not None, cell


def levels(cells: dict[tuple[str, str, str], Cell]) -> Iterator[tuple[Cell, list[float]]]:
    """Each total with the sum of the contributions of each level."""
    found: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (edition, city, _code), cell in cells.items():
        found[edition, city][cell["level"]].append(cell["contribution"] or 0.0)
    for (edition, city), contributions in found.items():
        yield cells[edition, city, ROOT], [math.fsum(contributions[level]) for level in range(4)]


@MANY
@given(seed=SEEDS, factor=st.floats(min_value=1e-3, max_value=1e3))
def test_trees_are_sound_and_scaled_weights_or_shuffled_rows_change_nothing(
    warehouse: Warehouse, seed: int, factor: float
) -> None:
    rng = random.Random(seed)
    index = random_index(rng, "base", CITY_CODES)
    factors: dict[str, float] = defaultdict(lambda: factor ** rng.choice([1, -1, 0.5]))

    def reweighted(row: Row) -> Row:
        return {**row, "weight": repr(float(row["weight"]) * factors[row["parent_code"]])}

    other = random_index(rng, "other", CITY_CODES)
    rows = together(index, renamed(index, "weights", reweighted), other)
    cells = computed(warehouse, rows)
    assert_sound(cells)
    base, weighted = by_key(cells, "base"), by_key(cells, "weights")

    assert base.keys() == weighted.keys()
    for key, cell in base.items():
        for name, value in cell.items():
            if isinstance(value, float) and weighted[key][name] is not None:
                assert is_near(value, weighted[key][name]), (key, name)
            elif name != "index_code" and name != "rank":
                assert value == weighted[key][name], (key, name)

    for total, sums in levels(base):
        if total["score"] is not None:
            assert all(is_near(total["score"], each) for each in sums), (total, sums)

    children: dict[tuple[str, str], list[str]] = defaultdict(list)
    methods = {(row["edition"], row["indicator_code"]): row for row in index.frameworks}
    for edition, code in methods:
        children[edition, methods[edition, code]["parent_code"]].append(code)
    for (edition, city, code), cell in base.items():
        below = children[edition, code]
        if len(below) == 1:
            child = base[edition, city, below[0]]["score"]
            aggregation = methods[edition, code]["aggregation"]
            if child is not None and (child > TOLERANCE or aggregation in ("", "arithmetic")):
                assert is_near(child, cell["score"]), (edition, city, code)

    alone = by_key(computed(warehouse, together(index), rng.shuffle), "base")
    assert alone == base


# Whole numbers, as a mean of them may come to one that a city has: then the two tie.
WHOLE = st.one_of(st.none(), st.integers(-3, 9).map(float))
COLUMN = st.lists(WHOLE, min_size=len(PLACES), max_size=len(PLACES))
TIERS = [
    {"tier_code": str(ordinal), "tier_ordinal": str(ordinal), "lower_bound_score": bound}
    for ordinal, bound in enumerate(["50", ""])
]


@FEW
@given(
    columns=st.lists(COLUMN, min_size=3, max_size=3),
    editions=st.sampled_from([("2019", "2020", "2023"), ("a", "b", "c")]),
)
@example([[0.0, 0.0, 1.0, 3.0, *[None] * 6]] * 3, ("2019", "2020", "2023"))
@example([[9.4, 18.2, 13.8, *[None] * 7]] * 3, ("a", "b", "c"))
def test_imputed_leaves_agree_with_the_recomputation(
    warehouse: Warehouse, columns: list[list[float | None]], editions: tuple[str, ...]
) -> None:
    normalisations = ("min_max", "percentile_rank")
    leaves = {
        f"{imputation}_{normalisation}": {"imputation": imputation, "normalisation": normalisation}
        for imputation in IMPUTATIONS
        for normalisation in normalisations
    } | {"observed": {}}
    rows = Rows(tiers=[{**row, "index_code": "x"} for row in TIERS])
    for edition, column in zip(editions, columns, strict=True):
        values = dict.fromkeys(leaves, column) | {"observed": [10.0 * place for place in range(len(PLACES))]}
        rows.add(one_parent_index("x", PLACES, leaves, values, edition))
    found = {
        key: Result(**{name: cell[name] for name in COMPARED})
        for key, cell in by_key(computed(warehouse, rows), "x").items()
    }
    surroundings = Surroundings(cities=CITIES, cluster_members=MEMBERS)
    assert differences(recompute(rows.frameworks, rows.observations, surroundings, rows.tiers), found) == []


def test_a_small_score_keeps_its_digits_below_a_geometric_mean(warehouse: Warehouse) -> None:
    rows = one_parent_index("x", PLACES, {"small": {}}, {"small": [2.0000005e-9]})
    key = {"index_code": "x", "edition": "2021"}
    rows.frameworks += [node(key, "q", ROOT, 9), node(key, "qs", "q"), node(key, "large", "qs")]
    rows.frameworks[0]["aggregation"] = "geometric"
    rows.observations.append(observation(key, PLACES[0], "large", 100.0))
    (total,) = (cell for cell in computed(warehouse, rows) if cell["level"] == 0)
    # The weights are 1 and 9.
    assert is_near(total["score"], math.exp(0.1 * math.log(2.0000005e-9) + 0.9 * math.log(100)))


@FEW
@given(seed=SEEDS)
def test_imputation_changes_no_value_that_is_present(warehouse: Warehouse, seed: int) -> None:
    rng = random.Random(seed)
    codes = [f"leaf{number}" for number in range(4)]
    editions = rng.choice([("2019", "2020", "2023"), ("a", "b", "c")])
    values = {
        (edition, code): [rng.choice([None, 50.0, rng.uniform(0, 100)]) for _city in PLACES]
        for edition in editions
        for code in codes
    }
    base = Rows(tiers=TIERS)
    for edition in editions:
        found = {code: values[edition, code] for code in codes}
        base.add(one_parent_index("", PLACES, {code: {} for code in codes}, found, edition))

    def imputed_by(name: str) -> Callable[[Row], Row]:
        return lambda row: row | ({"imputation": name} if row["indicator_code"] in codes else {})

    cells = computed(warehouse, together(*(renamed(base, name, imputed_by(name)) for name in ("none", *IMPUTATIONS))))
    assert_sound(cells)
    counts: dict[str, int] = defaultdict(int)
    for cell in cells:
        name, edition, city, code = (cell[part] for part in ("index_code", "edition", "city_code", "indicator_code"))
        if code in codes:
            value = values[edition, code][PLACES.index(city)]
            present = [each for each in values[edition, code] if each is not None]
            if value is not None:
                assert (cell["score"], cell["is_imputed"], cell["provenance"]) == (value, False, "observed"), cell
                assert cell["coverage_share"] == 1, cell
            elif cell["is_imputed"]:
                counts[name] += 1
                assert (cell["provenance"], cell["coverage_share"]) == ("imputed", 0), cell
                if name.endswith(("mean", "median")):
                    assert min(present) <= cell["score"] <= max(present), cell
            else:
                assert (cell["score"], cell["missing_reason"]) == (None, "not_observed"), cell
    assert set(counts) == set(IMPUTATIONS)
