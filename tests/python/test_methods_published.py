"""Traps and extremes that land beside the report's index: named, harmless, and never a number that is none."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pytest
from support import Published, as_after_an_earlier_night, city_index

LEAF_COLUMNS = (
    "direction",
    "normalisation",
    "norm_low",
    "norm_high",
    "scale_low",
    "scale_high",
    "denominator",
    "imputation",
    "treatment",
    "treatment_limit",
)
COLUMNS = (
    "index_code",
    "edition",
    "indicator_code",
    "parent_code",
    "name_zh",
    "name_en",
    "weight",
    *LEAF_COLUMNS,
    "aggregation",
    "missing_policy",
)
CITIES = [f"e{number}" for number in range(12)]
# Shipped cities of one cluster.
CLUSTERED = ["shanghai", "hangzhou", "nanjing", "suzhou_js", "ningbo", "wuxi", "hefei", "shaoxing"]

# The check that names each trap, with the leaf or node that falls into it.
TRAPS = {
    "constant": "assert_every_indicator_has_spread",
    "alone": "assert_every_indicator_has_spread",
    "nowhere": "assert_every_indicator_is_observed_somewhere",
    "undivided": "assert_denominators_are_there",
    "logged": "assert_logarithms_have_values_above_zero",
    "treated": "assert_logarithms_have_values_above_zero",
    "vast": "assert_scores_lie_in_their_range",
    "unfilled": "assert_estimates_fill_every_gap",
    "turned": "assert_fractions_and_distances_keep_the_order",
    "zeroes_s": "assert_geometric_and_harmonic_means_have_scores_above_zero",
}


def written(columns: Iterable[str], rows: Iterable[dict]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def node(index_code: str, edition: str, code: str, parent: str, weight: float = 1.0, **choices: object) -> dict:
    key = {"index_code": index_code, "edition": edition, "indicator_code": code, "parent_code": parent}
    return {**key, "name_zh": code, "name_en": code, "weight": repr(weight), **choices}


def trap_index() -> tuple[list[dict], list[dict]]:
    """One leaf for each trap, alone under its parents, so that each shows on its own."""
    leaves: dict[str, tuple[dict, list[object]]] = {
        "constant": ({"normalisation": "min_max"}, [5, 5, 5]),
        "alone": ({"normalisation": "percentile_rank"}, [5]),
        "nowhere": ({"normalisation": "min_max"}, []),
        "undivided": ({"normalisation": "min_max", "denominator": "nobody_counts_it"}, [1, 2, 3]),
        "logged": ({"normalisation": "log_goalposts", "norm_low": 1, "norm_high": 9}, [0, 2, 3]),
        "treated": ({"normalisation": "z_score", "treatment": "log"}, [-1, 2, 3]),
        "vast": ({"normalisation": "fraction_of_max", "direction": -1}, ["1e-9", "1e200", "1e250"]),
        "unfilled": ({"normalisation": "min_max", "imputation": "province_mean"}, [1, 2]),
        "turned": ({"normalisation": "fraction_of_max", "direction": -1}, [1, 2, 3]),
        "zeroes": ({"normalisation": "min_max"}, [1, 2, 3]),
    }
    framework = [node("traps", "1", "total", "", aggregation="arithmetic")]
    observations = []
    for code, (choices, values) in leaves.items():
        framework.append(node("traps", "1", f"{code}_p", "total"))
        framework.append(
            node("traps", "1", f"{code}_s", f"{code}_p", aggregation="geometric" if code == "zeroes" else "")
        )
        framework.append(node("traps", "1", code, f"{code}_s", **choices))
        for city, value in zip(CITIES, values, strict=False):
            key = {"index_code": "traps", "edition": "1", "city_code": city, "indicator_code": code}
            observations.append({**key, "value": value})
    return framework, observations


def extreme_index() -> tuple[list[dict], list[dict]]:
    """Three editions with the largest and smallest numbers under every choice, mixed at random."""
    rng = random.Random(3)
    norms = {
        "min_max": {},
        "goalposts": {"norm_low": "-1e299", "norm_high": "1e299"},
        "log_goalposts": {"norm_low": "1e-300", "norm_high": "1e299"},
        "z_score": {},
        "rank": {},
        "percentile_rank": {},
        "borda": {},
        "fraction_of_max": {},
        "distance_to_target": {"norm_high": "1e299"},
        "distance_to_reference": {"norm_low": "1e299"},
    }
    extremes = ["1e299", "-1e299", "9.9e299", "1e-300", "0", "-0", "5e-324", "3.14", "-2", "100", "123456789012345678"]
    imputations = ["", "mean", "median", "province_mean", "cluster_median", "tier_mean", "previous_edition", "linear"]
    framework, observations = [], []
    for edition in ("2019", "2020", "2021"):

        def add(code: str, parent: str, weight: float = 1.0, edition: str = edition, **choices: object) -> None:
            framework.append(node("extreme", edition, code, parent, weight, **choices))

        add("total", "", aggregation="geometric")
        for aggregation, weight in (("arithmetic", 1e200), ("geometric", 1e200), ("harmonic", 1e-200)):
            policy = "zero" if aggregation == "arithmetic" else ""
            add(aggregation, "total", weight, aggregation=aggregation, missing_policy=policy)
            add(f"{aggregation}_s", aggregation, aggregation=aggregation)
            for name, needed in norms.items():
                for direction in (1, -1):
                    code = f"{aggregation}_{name}_{direction}"
                    treatment = rng.choice(["", "winsorise"] + ([] if needed else ["log"]))
                    scale = {"scale_low": "-1e299", "scale_high": "1e299"} if rng.random() < 0.2 else {}
                    add(
                        code,
                        f"{aggregation}_s",
                        rng.choice([1.0, 1e-30, 1e30]),
                        direction=direction,
                        normalisation=name,
                        denominator=rng.choice(["", "population"]),
                        imputation=rng.choice(imputations),
                        treatment=treatment,
                        **needed,
                        **({} if name in ("rank", "borda", "z_score") else scale),
                    )
                    observations += [
                        {
                            "index_code": "extreme",
                            "edition": edition,
                            "city_code": city,
                            "indicator_code": code,
                            "value": rng.choice(extremes),
                        }
                        for city in CITIES
                        if rng.random() > 0.15
                    ]
    return framework, observations


def vast_indices() -> tuple[list[dict], list[dict]]:
    """Scores on a scale of nearly the largest size, and scores far beyond their scale.

    No tolerance of a fixed size fits their sums.
    """
    rng = random.Random(7)
    framework, observations = [], []
    for index_code, edition, cities, choices in (
        ("vast", "2001", CLUSTERED, {"normalisation": "min_max", "scale_high": "9e14"}),
        ("beyond", "1", CITIES, {"normalisation": "distance_to_target", "norm_high": "1.000001"}),
    ):
        framework += [
            node(index_code, edition, code, parent) for code, parent in (("total", ""), ("p", "total"), ("s", "p"))
        ]
        for leaf in "abcdefgh":
            framework.append(node(index_code, edition, leaf, "s", rng.uniform(0.1, 9), **choices))
            for city in cities:
                key = {"index_code": index_code, "edition": edition, "city_code": city, "indicator_code": leaf}
                observations.append({**key, "value": repr(1 + 1000 * rng.random())})
            observations.append(observations[-1] | {"city_code": "e11" if index_code == "beyond" else "e0", "value": 1})
    keys = set()
    kept = []
    for row in reversed(observations):
        key = (row["index_code"], row["city_code"], row["indicator_code"])
        if key not in keys:
            keys.add(key)
            kept.append(row)
    return framework, kept


@pytest.fixture(scope="module")
def published_traps(tmp_path_factory: pytest.TempPathFactory, published: Published) -> Path:
    """A published home in which both indices have landed; its database."""
    home = as_after_an_earlier_night(tmp_path_factory.mktemp("methods"), published)
    frameworks, observations = (
        a + b + c for a, b, c in zip(trap_index(), extreme_index(), vast_indices(), strict=True)
    )
    cities = [
        {"city_code": code, "name_zh": code, "name_en": code, "province_en": f"P{number % 3}" if number != 2 else ""}
        for number, code in enumerate(CITIES)
    ]
    statistics = [
        {"city_code": code, "year": year, "statistic_code": "population", "value": value, "unit": "people"}
        for code, value in zip(CITIES, ["1e-18", "1e18", "0", "-5", "1", "1e-300", "7", "8", "9", "1"], strict=False)
        for year in (2018, 2020)
    ] + [
        {"city_code": code, "year": 2000, "statistic_code": "gdp", "value": "1e18", "unit": "cny"} for code in CLUSTERED
    ]
    for kind, columns, rows in (
        ("cities", cities[0], cities),
        ("frameworks", COLUMNS, frameworks),
        ("statistics", statistics[0], statistics),
        ("observations", observations[0], observations),
    ):
        folder = home / "landing" / kind
        folder.mkdir(parents=True)
        (folder / f"{kind}.csv").write_text(written(columns, rows), encoding="utf-8")
    run = city_index("run", home=home)
    assert run.returncode == 0, run.stderr
    with duckdb.connect(str(home / "published" / "city_index.duckdb"), read_only=True) as connection:
        assert connection.execute("select sum(quarantined_count) from meta_batches").fetchone() == (0,)
    return home / "published" / "city_index.duckdb"


@pytest.mark.slow
def test_each_trap_is_a_check_that_names_the_indicator(published_traps: Path) -> None:
    with duckdb.connect(str(published_traps), read_only=True) as connection:
        checks = {
            name: (status, detail)
            for name, status, detail in connection.execute("select name, status, detail from meta_checks").fetchall()
        }
        reasons = dict(
            connection.execute(
                "select indicator_code, string_agg(distinct missing_reason, ',') from fct_indicator_scores "
                "where index_code = 'traps' and missing_reason not in ('not_observed', 'no_child') group by all"
            ).fetchall()
        )
    for code, name in TRAPS.items():
        status, detail = checks[name]
        assert status == "warned", name
        assert f"indicator_code={code}," in detail or f"indicator_code={code} " in f"{detail} ", (code, detail)
    assert reasons == {
        "constant": "no_spread",
        "alone": "no_spread",
        "undivided": "no_denominator",
        "logged": "not_positive",
        "treated": "not_positive",
        "vast": "too_large",
        "zeroes_s": "not_positive",
    }


@pytest.mark.slow
def test_extreme_numbers_never_become_none(published_traps: Path) -> None:
    with duckdb.connect(str(published_traps), read_only=True) as connection:
        columns = connection.execute(
            "select table_name, column_name from duckdb_columns() where data_type = 'DOUBLE'"
        ).fetchall()
        assert len(columns) > 40
        for table, column in columns:
            (bad,) = connection.execute(f"select count(*) from {table} where not abs({column}) < 1e300").fetchone()
            assert bad == 0, (table, column)
        (scored,) = connection.execute(
            "select count(score) from fct_indicator_scores where index_code = 'extreme'"
        ).fetchone()
    assert scored > 500


@pytest.mark.slow
def test_the_reports_index_is_equal_beside_them(published_traps: Path, release) -> None:
    release.execute(f"attach '{published_traps}' as beside (read_only)")
    for table in ("fct_indicator_scores", "fct_city_scores", "rpt_city_index", "dim_indicators", "rpt_reconciliation"):
        (different,) = release.execute(
            f"select count(*) from ((from main.{table} except from beside.main.{table}) union all "
            f"(from beside.main.{table} where index_code = 'medical_digital' except from main.{table}))"
        ).fetchone()
        assert different == 0, table
