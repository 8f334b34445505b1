"""Random indices that reach every corner of the method: rows as in the CSV files, for tests that compare or vary them.

What belongs here: making frameworks that are valid, and observations, statistics, cities and tiers to go with them.
What is asked of their results stands in the tests.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from index_rows import ROOT, Row, Rows, node, observation, one_parent_index, together

PLAIN_NORMALISATIONS = ("min_max", "percentile_rank", "fraction_of_max", "z_score", "rank", "borda")
NORMED_NORMALISATIONS = ("goalposts", "log_goalposts", "distance_to_target", "distance_to_reference")
NORMALISATIONS = ("score", *PLAIN_NORMALISATIONS, *NORMED_NORMALISATIONS)
AGGREGATIONS = ("arithmetic", "geometric", "harmonic")
POLICIES = ("renormalise", "zero", "fail")
CITY_IMPUTATIONS = tuple(
    f"{group}{statistic}" for group in ("", "province_", "cluster_", "tier_") for statistic in ("mean", "median")
)
IMPUTATIONS = (*CITY_IMPUTATIONS, "previous_edition", "linear")

# No year has a value above 0 for every city, and the last is ahead of most editions.
STATISTIC_YEARS = (2017, 2019, 2020, 2024)
EDITIONS = (
    ("2021",),
    ("2021",),
    ("2021",),
    ("2019", "2021"),
    ("2019", "2020", "2024"),
    ("2019", "2020", "2021"),
    ("9", "10", "12"),
    ("a", "b"),
    ("a", "b", "c"),
    ("2021", "10", "spring"),
)


def random_surroundings(rng: random.Random, known_cities: list[str]) -> tuple[Rows, list[str]]:
    """Cities with no province or with one in English only, and two statistics of them and of known cities.

    Returns:
        the rows, and the codes of all cities that an index may take.
    """
    provinces = [{}, {}, {"province_en": "Upper Wessex"}, {"province_en": "Upper Wessex"}, {"province_en": "Anhui"}]
    new = [
        {"city_code": f"elsewhere_{number}", "name_zh": f"城{number}", "name_en": f"City {number}", **province}
        for number, province in enumerate(provinces)
    ]
    cities = [*known_cities, *(row["city_code"] for row in new)]
    statistics = [
        {
            "city_code": city,
            "year": str(year),
            "statistic_code": code,
            "value": rng.choice(["0", "", *[repr(rng.uniform(0.5, 8))] * 14]),
            "unit": "none",
        }
        for code in ("people", "area")
        for year in STATISTIC_YEARS
        for city in cities
        if rng.random() < {2017: 0.9, 2019: 0.6, 2020: 0.6, 2024: 0.95}[year]
    ]
    return Rows(statistics=[row for row in statistics if row["value"]], cities=new), cities


def _number(value: float) -> str:
    return repr(round(value, 6))


# How the values of a leaf are drawn, city by city. Ties, zeros, negative values and long tails are meant.
Draw = Callable[[random.Random], float]
SCORE_DRAWS: tuple[Draw, ...] = (
    lambda rng: rng.uniform(0, 100),
    lambda rng: rng.uniform(1, 100),
    lambda rng: rng.choice([0, 50, 100]),
    lambda rng: rng.choice([25, 50, 100]),
    lambda rng: 100 * rng.random() ** 8,
)
POSITIVE_DRAWS: tuple[Draw, ...] = (
    lambda rng: rng.uniform(1, 100),
    lambda rng: rng.lognormvariate(2, 1),
    lambda rng: float(rng.randint(1, 6)),
    lambda rng: rng.uniform(1, 9) * (100 if rng.random() < 0.1 else 1),
    lambda rng: rng.uniform(10, 11) * (20 if rng.random() < 0.1 else 1),
    lambda rng: rng.uniform(30, 31) * rng.choice([*[1] * 16, 3, 9, 0.1]),
)
WILD_DRAWS: tuple[Draw, ...] = (
    *POSITIVE_DRAWS,
    lambda rng: rng.gauss(0, 30),
    lambda rng: float(rng.randint(-3, 3)),
    lambda rng: rng.gauss(0, 1) * (-90 if rng.random() < 0.12 else 1),
    lambda rng: float(rng.random() < 0.1),
)


@dataclass(frozen=True)
class Temper:
    """What the leaves of an index are like, so that its geometric and harmonic nodes mostly have something to mean."""

    normalisations: tuple[str, ...]
    aggregations: tuple[str, ...]
    draws: tuple[Draw, ...]
    scales: tuple[tuple[str, str], ...]
    constant_share: float


TEMPERS = (
    Temper(("score",), AGGREGATIONS, WILD_DRAWS, (("", ""),), 0.05),
    Temper(
        ("score", "min_max", "percentile_rank", "rank", "goalposts", "log_goalposts", "fraction_of_max"),
        AGGREGATIONS,
        POSITIVE_DRAWS,
        (("1", "100"), ("1", "10"), ("0.5", "")),
        0.08,
    ),
    Temper(NORMALISATIONS, ("arithmetic", "arithmetic", *AGGREGATIONS), WILD_DRAWS, (("1", "100"), ("", "")), 0.08),
    Temper(
        NORMALISATIONS,
        ("arithmetic",),
        WILD_DRAWS,
        (("", ""), ("", ""), ("-1", "1"), ("", "10"), ("20", ""), ("0", "1")),
        0.08,
    ),
)


def random_leaf(rng: random.Random, temper: Temper, has_tiers: bool, edition_count: int) -> Row:
    """The method of a leaf."""
    normalisation = rng.choice(temper.normalisations)
    leaf = {"normalisation": normalisation, "direction": rng.choice(["", "1", "-1"])}
    if normalisation == "score":
        leaf["normalisation"] = rng.choice(["", "score"])
    elif normalisation == "z_score":
        leaf["scale_low"], leaf["scale_high"] = rng.choice([("", ""), ("50", "10"), ("10", "")])
    elif normalisation not in ("rank", "borda"):
        leaf["scale_low"], leaf["scale_high"] = rng.choice(temper.scales)
    if normalisation == "goalposts":
        low = rng.uniform(-10, 20)
        leaf |= {"norm_low": _number(low), "norm_high": _number(low + rng.uniform(1, 80))}
    elif normalisation == "log_goalposts":
        low = rng.uniform(0.5, 8)
        leaf |= {"norm_low": _number(low), "norm_high": _number(low * rng.uniform(2, 30))}
    elif normalisation == "distance_to_target":
        # A target that no value comes near: scores grow beyond all measure as the least value nears it.
        norm = rng.uniform(150, 300) if leaf["direction"] != "-1" else rng.uniform(-300, -150)
        leaf["norm_high"] = _number(norm)
    elif normalisation == "distance_to_reference":
        leaf["norm_low"] = _number(rng.choice([1, -1]) * rng.uniform(1000, 2000))
    treatment = rng.choice(["", "", "none", "winsorise", "winsorise", "winsorise", "log"])
    if treatment == "winsorise":
        leaf["treatment_limit"] = rng.choice(["", "1", "2", "5", "20"])
    if treatment != "log" or normalisation in PLAIN_NORMALISATIONS:
        leaf["treatment"] = treatment
    if normalisation != "score" and rng.random() < 0.25:
        leaf["denominator"] = rng.choice(["people", "people", "area", "nothing"])
    choices = ["", "", "none", *IMPUTATIONS]
    choices += ["tier_mean", "tier_median"] * 3 if has_tiers else []
    choices += ["previous_edition", "linear", "linear"] * 2 if edition_count > 1 else []
    leaf["imputation"] = rng.choice(choices)
    return leaf


def _tree(rng: random.Random) -> list[tuple[str, str, bool]]:
    """Codes, parents and whether it is a leaf; some branches repeat a node as its own single child."""
    nodes = [(ROOT, "", False)]
    for p in range(rng.randint(1, 3)):
        primary = f"p{p}"
        is_short = rng.random() < 0.25
        nodes.append((primary, ROOT, False))
        for s in range(1 if is_short else rng.randint(1, 3)):
            secondary = f"{primary}s{s}"
            nodes.append((secondary, primary, False))
            nodes += [
                (f"{secondary}t{t}", secondary, True) for t in range(1 if is_short else rng.choice([1, 2, 2, 3, 4, 5]))
            ]
    return nodes


def _observations(
    rng: random.Random, key: Row, framework: list[Row], draws: dict[str, Draw], cities: list[str]
) -> list[Row]:
    """Observations with gaps; every city has one at least."""
    missing_share = rng.choice([0.0, 0.1, 0.1, 0.3, 0.6])
    leaves = [row for row in framework if row["indicator_code"] in draws]
    lost = {row["indicator_code"] for row in leaves if rng.random() < 0.05}
    provenances = rng.choice([["observed"], ["", "observed"], ["observed", "derived", "reconstructed"]])
    rows = []
    for city in cities:
        seen = [leaf for leaf in leaves if rng.random() >= missing_share and leaf["indicator_code"] not in lost]
        for leaf in seen or [rng.choice(leaves)]:
            code = leaf["indicator_code"]
            value = draws[code](rng)
            if leaf["normalisation"] in ("", "score"):
                value = min(max(value, 0.0), 100.0)
            rows.append(observation(key, city, code, value, rng.choice(provenances)))
    return rows


def random_index(rng: random.Random, index_code: str, cities: list[str]) -> Rows:
    """An index of one to three editions: frameworks of three levels, observations with gaps and ties, maybe tiers."""
    temper = rng.choice(TEMPERS)
    editions = rng.choice(EDITIONS)
    has_tiers = rng.random() < 0.4
    rows = Rows()
    if has_tiers:
        bounds = sorted(rng.sample([-10, 0, 0.5, 5, 20, 35, 50, 65, 80], rng.randint(1, 3)), reverse=True)
        rows.tiers = [
            {
                "index_code": index_code,
                "tier_code": f"tier{ordinal}",
                "tier_ordinal": str(ordinal),
                "name_zh": f"{ordinal}线",
                "name_en": f"Tier {ordinal}",
                "lower_bound_score": str(bound),
            }
            for ordinal, bound in enumerate([*bounds, ""], start=1)
        ]
    nodes = _tree(rng)
    aggregations = rng.choice([temper.aggregations, ("arithmetic",)])
    policies = rng.choice([("", *POLICIES), ("", "renormalise")])
    members = rng.sample(cities, min(len(cities), rng.randint(2, 14)))
    chosen: dict[str, Row] = {}
    draws: dict[str, Draw] = {}
    for edition in editions:
        key = {"index_code": index_code, "edition": edition}
        framework = []
        for code, parent, is_leaf in nodes:
            if code not in chosen or rng.random() < 0.1:
                if is_leaf:
                    chosen[code] = random_leaf(rng, temper, has_tiers, len(editions))
                    constant = float(rng.randint(1, 99))
                    draws[code] = (
                        rng.choice(SCORE_DRAWS if chosen[code]["normalisation"] in ("", "score") else temper.draws)
                        if rng.random() >= temper.constant_share
                        else lambda _rng, constant=constant: constant
                    )
                else:
                    chosen[code] = {
                        "aggregation": rng.choice(["", *aggregations]),
                        "missing_policy": rng.choice(policies),
                        "min_coverage": rng.choice([*[""] * 8, "0", "0.25", "0.5", "0.6", repr(2 / 3), "1"]),
                    }
            weight = rng.choice([rng.uniform(0.01, 30), 1.0, 2.0])
            status = rng.choice(["", "printed", "derived", "assumed"])
            framework.append(node(key, code, parent, weight, weight_status=status, **chosen[code]))
        if len(editions) > 1:
            framework = _without_some_leaves(rng, framework)
        left = {row["indicator_code"] for row in framework}
        here = members if rng.random() < 0.5 else rng.sample(members, rng.randint(2, len(members)))
        rows.frameworks += framework
        rows.observations += _observations(
            rng, key, framework, {code: draw for code, draw in draws.items() if code in left}, here
        )
    return rows


def _without_some_leaves(rng: random.Random, framework: list[Row]) -> list[Row]:
    """A framework that lacks leaves which other editions have; no node is left childless."""
    kept = []
    for row in framework:
        siblings = sum(other["parent_code"] == row["parent_code"] for other in framework)
        if "normalisation" in row and siblings > 1 and rng.random() < 0.1:
            framework = [other for other in framework if other is not row]
        else:
            kept.append(row)
    return kept


def edge_index(index_code: str, cities: list[str]) -> Rows:
    """What random values do not reach: scores beyond all bounds, and a value taken over that is out of range."""
    near = {"normalisation": "distance_to_target", "norm_high": "1e-17"}
    before = {"near": near, "other": {"normalisation": "min_max"}}
    now = {"near": near, "other": {"normalisation": "score", "imputation": "previous_edition"}}
    return together(
        one_parent_index(index_code, cities, before, {"near": [], "other": [10.0, -20.0, 250.0, 40.0]}, "2020"),
        one_parent_index(index_code, cities, now, {"near": [0.0, 0.0, 1.0, 30.0], "other": [0.0]}, "2021"),
    )
