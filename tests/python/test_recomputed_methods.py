"""The independent recomputation itself, step by step against values worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from recomputation import Surroundings, differences, recompute
from recomputed_leaves import Leaf, normalise, shape, treat, winsorised_bounds
from recomputed_trees import Tree
from recomputed_values import Groups, Statistics, imputed_from_cities, imputed_from_editions, in_order

FOUR = {"a": 10.0, "b": 20.0, "c": 20.0, "d": 50.0}


def row(code: str, parent: str, weight: float = 1, **columns: object) -> dict[str, str]:
    given = {name: str(value) for name, value in columns.items()}
    return {"indicator_code": code, "parent_code": parent, "weight": str(weight), **given}


def chain(leaf: dict[str, object], edition: str = "2021") -> list[dict[str, str]]:
    """A framework of one leaf."""
    nodes = [row("total", ""), row("p", "total"), row("s", "p"), row("x", "s", **leaf)]
    return [{**node, "edition": edition} for node in nodes]


def seen(values: dict[str, float], edition: str = "2021", code: str = "x") -> list[dict[str, str]]:
    return [
        {"edition": edition, "city_code": city, "indicator_code": code, "value": repr(value)}
        for city, value in values.items()
    ]


def is_close(found: dict[str, float], expected: list[float]) -> bool:
    return list(found) == ["a", "b", "c", "d"] and list(found.values()) == pytest.approx(expected, rel=1e-12)


# Values 10, 20, 20, 50: mean 25, squares 225 + 25 + 25 + 625 = 900, so sd = sqrt(900 / 3) = sqrt(300) = 17.32...
Z = [-15 / math.sqrt(300), -5 / math.sqrt(300), -5 / math.sqrt(300), 25 / math.sqrt(300)]


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        (Leaf(normalisation="score"), [10, 20, 20, 50]),
        (Leaf(normalisation="score", direction=-1), [90, 80, 80, 50]),
        (Leaf(normalisation="min_max"), [0, 25, 25, 100]),
        (Leaf(normalisation="min_max", direction=-1), [100, 75, 75, 0]),
        (Leaf(normalisation="min_max", scale_low=1, scale_high=9), [1, 3, 3, 9]),
        (Leaf(normalisation="goalposts", norm_low=15, norm_high=40), [0, 20, 20, 100]),
        (Leaf(normalisation="goalposts", norm_low=15, norm_high=40, direction=-1), [100, 80, 80, 0]),
        # Between 5 and 80 lie four doublings; 10 is one above 5, 20 two, 50 is log2(10) above.
        (Leaf(normalisation="log_goalposts", norm_low=5, norm_high=80), [25, 50, 50, 25 * math.log2(10)]),
        # The smallest rank of a tie: 1, 2, 2, 4; turned round 50 is the least: 4, 2, 2, 1.
        (Leaf(normalisation="rank"), [1, 2, 2, 4]),
        (Leaf(normalisation="rank", direction=-1), [4, 2, 2, 1]),
        (Leaf(normalisation="borda"), [0, 1, 1, 3]),
        (Leaf(normalisation="percentile_rank"), [0, 100 / 3, 100 / 3, 100]),
        (Leaf(normalisation="percentile_rank", direction=-1, scale_low=10, scale_high=40), [40, 20, 20, 10]),
        (Leaf(normalisation="fraction_of_max"), [20, 40, 40, 100]),
        # v = -10, -20, -20, -50 with the greatest -10: 1, 2, 2, 5 times it.
        (Leaf(normalisation="fraction_of_max", direction=-1), [100, 200, 200, 500]),
        (Leaf(normalisation="distance_to_target", norm_high=30), [0, 50, 50, 200]),
        # v = -10, -20, -20, -50, target -5: (v + 50) / 45.
        (Leaf(normalisation="distance_to_target", norm_high=5, direction=-1), [4000 / 45, 3000 / 45, 3000 / 45, 0]),
        # 1 - (30 - v) / 20: the least gets 0, the reference 1.
        (Leaf(normalisation="distance_to_reference", norm_low=30), [0, 50, 50, 200]),
        # v = -10, -20, -20, -50, reference -20: 1 - (-20 - v) / 30.
        (Leaf(normalisation="distance_to_reference", norm_low=20, direction=-1), [400 / 3, 100, 100, 0]),
        (Leaf(normalisation="z_score", scale_low=0, scale_high=1), Z),
        (Leaf(normalisation="z_score", scale_low=50, scale_high=10, direction=-1), [50 - 10 * z for z in Z]),
    ],
    ids=lambda value: f"{value.normalisation}{value.direction:+d}" if isinstance(value, Leaf) else "",
)
def test_normalisations(leaf: Leaf, expected: list[float]) -> None:
    scores, reasons = normalise(leaf, FOUR)
    assert is_close(scores, expected)
    assert reasons == {}


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize(
    "normalisation",
    [
        "min_max",
        "goalposts",
        "log_goalposts",
        "rank",
        "borda",
        "percentile_rank",
        "fraction_of_max",
        "distance_to_target",
        "distance_to_reference",
        "z_score",
    ],
)
@pytest.mark.parametrize("values", [{"a": 3.0}, {"a": 3.0, "b": 3.0}], ids=["one city", "no spread"])
def test_without_spread_there_is_no_score(values: dict[str, float], normalisation: str, direction: int) -> None:
    leaf = Leaf(normalisation=normalisation, direction=direction, norm_low=1, norm_high=5)
    assert normalise(leaf, values) == ({}, dict.fromkeys(values, "no_spread"))
    assert normalise(Leaf(), values) == (values, {})


@pytest.mark.parametrize(
    ("leaf", "values"),
    [
        (Leaf(normalisation="fraction_of_max"), {"a": -1.0, "b": 0.0}),
        (Leaf(normalisation="fraction_of_max", direction=-1), {"a": 1.0, "b": 0.0}),
        (Leaf(normalisation="distance_to_target", norm_high=2), {"a": 2.0, "b": 3.0}),
        (Leaf(normalisation="distance_to_reference", norm_low=3, direction=-1), {"a": 2.0, "b": 3.0}),
    ],
)
def test_a_measure_that_is_no_distance_gives_no_score(leaf: Leaf, values: dict[str, float]) -> None:
    assert normalise(leaf, values) == ({}, dict.fromkeys(values, "no_spread"))


def test_single_values_may_have_no_score() -> None:
    assert normalise(Leaf(), {"a": 100.5, "b": 0.0, "c": -1.0}) == (
        {"b": 0.0},
        {"a": "out_of_range", "c": "out_of_range"},
    )
    scores, reasons = normalise(
        Leaf(normalisation="log_goalposts", norm_low=1, norm_high=100), {"a": 0.0, "b": 10.0, "c": -2.0}
    )
    assert scores == pytest.approx({"b": 50.0})
    assert reasons == {"a": "not_positive", "c": "not_positive"}
    # (1e16 - 0) / (1 - 0), mapped onto 0..1.
    far = Leaf(normalisation="distance_to_target", norm_high=1, scale_high=1)
    assert normalise(far, {"a": 0.0, "b": 1e16, "c": 1e15 - 1}) == ({"a": 0.0, "c": 1e15 - 1}, {"b": "too_large"})


@pytest.mark.parametrize(
    ("values", "skewness", "kurtosis"),
    [
        # The examples in the descriptions of Excel's SKEW and KURT.
        ([3, 4, 5, 2, 3, 4, 5, 6, 4, 7], 0.359543, -0.151799637),
        # Mean 25, deviations -25 (three times) and 75: m2 = 7500, sd = 50, z = -0.5 and 1.5.
        # G1 = 4/(3*2) * (3 * -0.125 + 3.375) = 2; G2 = 20/6 * (3 * 0.0625 + 5.0625) - 27/2 = 17.5 - 13.5 = 4.
        ([0, 0, 0, 100], 2, 4),
        ([0, -100, 0, 0], -2, 4),
    ],
)
def test_shapes_are_those_of_a_spreadsheet(values: list[float], skewness: float, kurtosis: float) -> None:
    sign, squared_skewness, found_kurtosis = shape(values)
    assert sign * math.sqrt(squared_skewness) == pytest.approx(skewness, abs=1e-6)
    assert float(found_kurtosis) == pytest.approx(kurtosis, abs=1e-9)


def test_three_values_or_equal_ones_have_no_shape() -> None:
    assert shape([1, 2, 100]) is None
    assert shape([7, 7, 7, 7, 7]) is None


@pytest.mark.parametrize(
    ("values", "limit", "bounds"),
    [
        # One outlier above (G1 3.16, G2 10.0), drawn in to the next; 1..9, 9 are not outlying.
        ([*range(1, 10), 1000], 5, (1, 9)),
        # One below.
        ([-1000, *range(1, 10)], 5, (1, 9)),
        # 500 and 1000: the first step makes 500 of 1000, which leaves G1 2.05 and G2 2.64, below 3.5.
        ([*range(10, 20), 500, 1000], 5, (10, 500)),
        # Both ends: first above (G1 2.8), then below (G1 -4.7).
        ([-1000, *range(10, 30), 2000], 5, (10, 29)),
        ([-1000, *range(10, 30), 2000], 1, (-1000, 29)),
        # Three equal ones and another: skewed by 2 exactly, which is not more than 2; doubles alone would say it is.
        ([0.1, 0.1, 0.1, 0.7], 5, (0.1, 0.7)),
        # Four equal ones and another: sqrt(5) and 5. Drawn in there would be no spread left, so it stays.
        ([0, 0, 0, 0, 100], 5, (0, 100)),
        # The same after one step: 500 twice beside thirty zeros is still outlying, and all that differs.
        ([*[0] * 30, 500, 1000], 5, (0, 500)),
        ([1, 2, 1000], 5, (1, 1000)),
    ],
)
def test_outliers_are_drawn_in_one_by_one(values: list[float], limit: int, bounds: tuple[float, float]) -> None:
    assert winsorised_bounds(values, limit) == bounds
    assert winsorised_bounds(values[::-1], limit) == bounds


def test_treatments() -> None:
    values = {f"c{number}": float(number) for number in range(1, 10)} | {"far": 1000.0}
    assert treat(Leaf(treatment="winsorise"), values) == (values | {"far": 9.0}, {})
    assert treat(Leaf(treatment="log"), {"a": math.e, "b": 0.0, "c": -1.0, "d": 1.0}) == (
        {"a": 1.0, "d": 0.0},
        {"b": "not_positive", "c": "not_positive"},
    )
    assert treat(Leaf(), values) == (values, {})


GROUPS = Groups(
    province={"a": "north", "b": "north", "c": "south", "x": "north", "y": "south", "z": "west"}.get,
    cluster={"a": "k", "x": "k"}.get,
    tier={"b": "t", "c": "t", "y": "t"}.get,
)


@pytest.mark.parametrize(
    ("imputation", "expected"),
    [
        ("mean", {"x": 15.0, "y": 15.0, "z": 15.0, "n": 15.0}),
        ("median", {"x": 6.0, "y": 6.0, "z": 6.0, "n": 6.0}),
        ("province_mean", {"x": 3.0, "y": 39.0}),
        ("province_median", {"x": 3.0, "y": 39.0}),
        ("cluster_mean", {"x": 0.0}),
        ("cluster_median", {"x": 0.0}),
        ("tier_mean", {"y": 22.5}),
        ("tier_median", {"y": 22.5}),
    ],
)
def test_imputations_from_other_cities(imputation: str, expected: dict[str, float]) -> None:
    present = {"a": 0.0, "b": 6.0, "c": 39.0}
    assert imputed_from_cities(imputation, present, ["x", "y", "z", "n"], GROUPS) == expected


def test_a_mean_stays_among_its_values_and_an_even_median_lies_between_two() -> None:
    tenths = dict.fromkeys("abc", 0.1)
    assert imputed_from_cities("mean", tenths, ["x"], GROUPS) == {"x": 0.1}
    assert imputed_from_cities("median", {"a": 1.0, "b": 4.0, "c": 9.0, "d": 2.0}, ["x"], GROUPS) == {"x": 3.0}


def test_editions_are_ordered_by_number_or_by_text() -> None:
    assert in_order(["10", "9", "2020"]) == {"9": 9.0, "10": 10.0, "2020": 2020.0}
    assert list(in_order(["10", "9", "2020"])) == ["9", "10", "2020"]
    assert in_order(["b", "10", "9"]) == {"10": 1.0, "9": 2.0, "b": 3.0}


def test_imputations_from_other_editions() -> None:
    present = {
        "2018": {"a": 10.0, "b": 1.0},
        "2019": {"c": 5.0},
        "2020": {"b": 3.0},
        "2023": {"a": 30.0, "c": 6.0},
    }
    cities = ["a", "b", "c"]
    assert imputed_from_editions("previous_edition", "2018", cities, present) == {}
    assert imputed_from_editions("previous_edition", "2019", cities, present) == {"a": 10.0, "b": 1.0}
    assert imputed_from_editions("previous_edition", "2020", cities, present) == {"c": 5.0}
    # a in 2019: 10 + 20 * 1/5. b in 2019: 1 + 2 * 1/2.
    assert imputed_from_editions("linear", "2019", ["a", "b"], present) == {"a": 14.0, "b": 2.0}
    # a in 2020: 10 + 20 * 2/5. c in 2020: 5 + 1 * 1/4; b would need a later edition in 2023.
    assert imputed_from_editions("linear", "2020", ["a", "c"], present) == {"a": 18.0, "c": 5.25}
    assert imputed_from_editions("linear", "2023", ["b"], present) == {}
    # Labels that are no numbers stand one apart.
    lettered = {"p": present["2018"], "q": {}, "r": present["2020"], "s": present["2023"]}
    assert imputed_from_editions("linear", "r", ["a"], lettered) == {"a": 10.0 + 20.0 * 2 / 3}


def test_the_year_of_a_statistic() -> None:
    values = {
        2017: {"a": 1, "b": 2, "c": 3},
        2018: {"a": 10, "b": 20, "c": 30, "d": 0},
        2019: {"a": 100, "b": 200, "c": -300, "d": 0},
        2022: {"a": 1000, "b": 2000, "c": 3000, "d": 4000},
        2023: {"z": 1},
    }
    statistics = Statistics(
        {"city_code": city, "year": str(year), "statistic_code": "people", "value": str(value)}
        for year, cities in values.items()
        for city, value in cities.items()
    )
    cities = set("abcd")
    # Not after the edition, of most cities (three in 2017 and 2018), the newest of these.
    assert statistics.of_edition("people", "2019", cities) == {"a": 10, "b": 20, "c": 30}
    # 2022 covers all four.
    assert statistics.of_edition("people", "2024", cities) == {"a": 1000, "b": 2000, "c": 3000, "d": 4000}
    # Only later ones are left for an edition before all of them, and for no year all are alike.
    assert statistics.of_edition("people", "2000", cities)["d"] == 4000
    assert statistics.of_edition("people", "spring", cities)["d"] == 4000
    assert statistics.of_edition("people", "2000", {"a", "b", "c"}) == values[2022]
    assert statistics.of_edition("beds", "2020", cities) == {}


def test_a_denominated_leaf_divides_by_its_own_editions_year() -> None:
    surroundings = Surroundings(
        statistics=[
            {"city_code": city, "year": year, "statistic_code": "people", "value": value}
            for city, year, value in [("a", "2020", "2"), ("b", "2020", "4"), ("a", "2021", "5"), ("b", "2021", "0.5")]
        ]
    )
    leaf = {"normalisation": "distance_to_target", "norm_high": 1, "scale_high": 1, "denominator": "people"}
    frameworks = [*chain(leaf, "2020"), *chain({**leaf, "imputation": "previous_edition"}, "2021")]
    # 2020: 10/2 = 5 and 8/4 = 2, c has nothing to divide by. 2021: a is taken over as 5, b is 1/0.5 = 2, target 1:
    # (v - 2) / (1 - 2) = -3 and 0.
    observations = [*seen({"a": 10, "b": 8, "c": 1}, "2020"), *seen({"b": 1}, "2021")]
    observations += [{"edition": "2021", "city_code": "a", "indicator_code": "x", "value": ""}]
    frameworks[-1:] = [frameworks[-1], {**row("y", "s"), "edition": "2021"}]
    observations += seen({"a": 50}, "2021", "y")
    results = recompute(frameworks, observations, surroundings)
    assert [results["2020", city, "x"].score for city in "abc"] == [-3.0, 0.0, None]
    assert results["2020", "c", "x"].missing_reason == "no_denominator"
    assert results["2020", "c", "x"].coverage_share == 0.0
    found = results["2021", "a", "x"]
    assert (found.score, found.is_imputed, found.provenance, found.coverage_share) == (-3.0, True, "imputed", 0.0)
    assert (results["2021", "a", "s"].provenance, results["2021", "a", "total"].is_imputed) == ("mixed", True)
    assert results["2021", "b", "y"].missing_reason == "not_observed"


def test_a_tier_for_imputation_is_that_without_imputation_and_treatment() -> None:
    frameworks = [
        row("total", ""),
        row("p", "total"),
        row("s", "p"),
        row("x", "s", imputation="tier_mean"),
        row("y", "s"),
    ]
    observations = [
        {"city_code": city, "indicator_code": code, "value": value}
        for city, code, value in [
            ("a", "x", "90"),
            ("a", "y", "70"),
            ("b", "x", "80"),
            ("b", "y", "100"),
            ("c", "y", "60"),
            ("d", "y", "60.5"),
            ("e", "x", "10"),
        ]
    ]
    tiers = [
        {"tier_code": "lower", "tier_ordinal": "2", "lower_bound_score": ""},
        {"tier_code": "upper", "tier_ordinal": "1", "lower_bound_score": "60"},
    ]
    results = recompute(frameworks, observations, tiers=tiers)
    # Provisional totals: a 80, b 90, c 60 (its y alone), d 60.5, e 10. The bound belongs to the lower tier: c takes
    # e's 10, d the mean of a and b.
    assert results["", "c", "x"].score == 10.0
    assert results["", "d", "x"].score == 85.0
    assert results["", "c", "total"].score == 35.0
    assert recompute(frameworks, observations)["", "c", "x"].missing_reason == "not_observed"


def inner(aggregation: str, policy: str = "", least: str = "") -> Tree:
    method = {"aggregation": aggregation, "missing_policy": policy, "min_coverage": least}
    return Tree([row("total", "", **method), row("a", "total", 1), row("b", "total", 3)])


@pytest.mark.parametrize(
    ("tree", "a", "b", "expected"),
    [
        (inner("arithmetic"), 16, 4, 7.0),  # (16 + 3 * 4) / 4
        (inner("geometric"), 16, 1, 2.0),  # 16 to the 1/4
        (inner("harmonic"), 16, 4, 4 / (1 / 16 + 3 / 4)),
        (inner("geometric"), 16, None, 16.0),
        (inner("harmonic", "zero"), 16, None, "not_positive"),
        (inner("arithmetic", "zero"), 16, None, 4.0),
        (inner("arithmetic", "zero"), None, None, 0.0),
        (inner("arithmetic"), None, None, "no_child"),
        (inner("arithmetic", "fail"), 16, None, "child_missing"),
        (inner("arithmetic", "", "0.5"), 16, None, 16.0),
        (inner("arithmetic", "", "0.6"), 16, None, "below_min_coverage"),
        (inner("geometric"), 0, 5, "not_positive"),
        (inner("geometric"), 4e-10, 5, "not_positive"),
        (inner("harmonic"), -3, 5, "not_positive"),
        (inner("arithmetic"), -3, 5, 3.0),
    ],
)
def test_aggregations_and_policies(tree: Tree, a: float | None, b: float | None, expected: float | str) -> None:
    scores, reasons = tree.score({"a": a, "b": b})
    if isinstance(expected, str):
        assert (scores["total"], reasons) == (None, {"total": expected})
    else:
        assert (scores["total"], reasons) == (pytest.approx(expected, rel=1e-12), {})


def test_contributions_below_each_aggregation() -> None:
    # An arithmetic root over a harmonic node (weight 1) and a geometric one (weight 3).
    tree = Tree(
        [
            row("total", ""),
            row("h", "total", 1, aggregation="harmonic"),
            row("g", "total", 3, aggregation="geometric"),
            row("h1", "h", 1),
            row("h2", "h", 2),
            row("g1", "g", 1),
            row("g2", "g", 1),
            row("g3", "g", 5),
        ]
    )
    scores, _reasons = tree.score({"h1": 20.0, "h2": 5.0, "g1": 1.0, "g2": 9.0, "g3": None})
    # h = 3 / (1/20 + 2/5) = 20/3, g = sqrt(1 * 9) = 3, total = (20/3 + 9) / 4 = 47/12.
    assert [scores[code] for code in ("h", "g", "total")] == pytest.approx([20 / 3, 3, 47 / 12], rel=1e-12)
    points = tree.contributions(scores)
    assert points.pop("g3") is None
    # h gives 20/12, shared as 1 * 20 to 2 * 5; g gives 27/12, shared as ln 2 to ln 10.
    expected = {
        "total": 47 / 12,
        "h": 20 / 12,
        "g": 27 / 12,
        "h1": 20 / 12 * 2 / 3,
        "h2": 20 / 12 / 3,
        "g1": 27 / 12 * math.log(2) / math.log(20),
        "g2": 27 / 12 * math.log(10) / math.log(20),
    }
    assert points == pytest.approx(expected, rel=1e-12)
    assert math.fsum(points[code] for code in ("h1", "h2", "g1", "g2")) == pytest.approx(points["total"], rel=1e-12)
    methods = {code: tree.contribution_method(code) for code in tree.rows}
    assert methods == {
        "total": "exact",
        "h": "exact",
        "g": "exact",
        **dict.fromkeys(["h1", "h2"], "score_share"),
        **dict.fromkeys(["g1", "g2", "g3"], "log_share"),
    }


def test_contributions_of_nothing_and_of_a_total_of_zero() -> None:
    below = [row("a", "p"), row("b", "p")]
    root = row("total", "", aggregation="harmonic")
    tree = Tree([root, row("p", "total", aggregation="geometric", missing_policy="fail"), *below])
    scores, reasons = tree.score({"a": 5.0, "b": None})
    assert reasons == {"p": "child_missing", "total": "no_child"}
    assert tree.contributions(scores) == dict.fromkeys(tree.rows)
    assert tree.contribution_method("a") == "mixed"
    # A node below one without score gives nothing; where there is no total there are no points of it.
    top = Tree([row("total", ""), row("p", "total", missing_policy="fail"), *below, row("c", "total")])
    scores, _reasons = top.score({"a": 5.0, "b": None, "c": 7.0})
    assert top.contributions(scores) == {"total": 7.0, "p": None, "a": 0.0, "b": None, "c": 7.0}
    # A total of 0 is shared by weights: -2 and 2.
    even = inner("arithmetic")
    scores, _reasons = even.score({"a": -6.0, "b": 2.0})
    assert even.contributions(scores) == {"total": 0.0, "a": -1.5, "b": 1.5}


def test_coverage_counts_leaves_children_and_weights() -> None:
    frameworks = [
        row("total", ""),
        row("p", "total", 1),
        row("q", "total", 3),
        row("ps", "p"),
        row("qs", "q", missing_policy="fail"),
        row("pt", "ps"),
        row("qt", "qs", 1),
        row("qu", "qs", 4),
    ]
    observations = [
        {"city_code": "a", "indicator_code": "pt", "value": "50", "provenance": "derived"},
        {"city_code": "a", "indicator_code": "qu", "value": "50", "provenance": ""},
        {"city_code": "b", "indicator_code": "pt", "value": "70"},
    ]
    results = recompute(frameworks, observations)
    # Leaves weigh 1/4, 3/4 * 1/5 and 3/4 * 4/5.
    total = results["", "a", "total"]
    assert (total.score, total.rank, total.provenance) == (50.0, 2, "mixed")
    assert (total.coverage_share, total.child_coverage_share) == (2 / 3, 0.5)
    assert total.weighted_coverage_share == pytest.approx(0.25 + 0.6)
    node = results["", "a", "qs"]
    assert (node.score, node.missing_reason, node.provenance) == (None, "child_missing", "observed")
    assert (node.coverage_share, node.child_coverage_share, node.weighted_coverage_share) == (0.5, 0.5, 0.8)
    leaf = results["", "a", "qu"]
    assert (leaf.score, leaf.contribution, leaf.contribution_method) == (50.0, 0.0, "exact")
    assert (leaf.coverage_share, leaf.child_coverage_share, leaf.weighted_coverage_share) == (1.0, None, 1.0)
    missing = results["", "b", "q"]
    assert (missing.score, missing.provenance, missing.contribution_method) == (None, None, None)
    assert missing.missing_reason == "no_child"


def test_every_difference_is_named() -> None:
    expected = recompute(chain({}), seen({"a": 10, "b": 20}))
    assert differences(expected, dict(expected)) == []
    key = ("2021", "a", "s")
    for name, value in [
        ("score", 10 + 2e-8),
        ("score", None),
        ("rank", 1),
        ("contribution", 0.0),
        ("contribution_method", "mixed"),
        ("weighted_coverage_share", 0.5),
        ("is_imputed", True),
        ("missing_reason", "no_child"),
    ]:
        (found,) = differences(expected, expected | {key: replace(expected[key], **{name: value})})
        assert found.startswith(f"{key}: {name} {value}")
    assert differences(expected, expected | {key: replace(expected[key], score=10 + 1e-9)}) == []
    missing = {other: result for other, result in expected.items() if other != key}
    assert differences(expected, missing) == [f"rows: {[key]}"]
