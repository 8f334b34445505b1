"""The SQL agrees with an independent recomputation, on the seeds and on random trees of every method."""

from __future__ import annotations

import csv
import math
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from index_rows import ROOT, Rows
from random_trees import (
    AGGREGATIONS,
    IMPUTATIONS,
    NORMALISATIONS,
    POLICIES,
    edge_index,
    random_index,
    random_surroundings,
)
from recomputation import (
    COMPARED,
    NO_DENOMINATOR,
    NOT_OBSERVED,
    TOLERANCE,
    Result,
    Surroundings,
    differences,
    recompute,
)
from recomputed_leaves import NO_SPREAD, NOT_POSITIVE, OUT_OF_RANGE, TOO_LARGE
from recomputed_trees import BELOW_MIN_COVERAGE, CHILD_MISSING, NO_CHILD
from support import copy_project

TREES = 200
SEED = 20201

Key = tuple[str, str, str, str]

MISSING_REASONS = (
    NOT_OBSERVED,
    NO_DENOMINATOR,
    NO_SPREAD,
    NOT_POSITIVE,
    OUT_OF_RANGE,
    TOO_LARGE,
    BELOW_MIN_COVERAGE,
    CHILD_MISSING,
    NO_CHILD,
)
# Two cases that no random value reaches are made on purpose.
LEAST_CASES = {f"missing:{OUT_OF_RANGE}": 2, f"missing:{TOO_LARGE}": 2}


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _append(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open(encoding="utf-8", newline="") as stream:
        columns = next(csv.reader(stream))
    with path.open("a", encoding="utf-8", newline="") as stream:
        csv.DictWriter(stream, columns, restval="", lineterminator="\n").writerows(rows)


def _random_rows(rng: random.Random, cities: list[dict[str, str]], members: list[dict[str, str]]) -> Rows:
    """The random trees, over cities of few provinces and clusters so that most cities have neighbours."""
    clustered = {row["city_code"] for row in members}
    near = [row["city_code"] for row in cities if row["province_en"] in ("Anhui", "Jiangsu", "Guangdong")]
    known = [code for code in near if code in clustered][:16] + [code for code in near if code not in clustered][:8]
    rows, pool = random_surroundings(rng, known)
    for number in range(TREES - 1):
        rows.add(random_index(rng, f"random_{number:03d}", pool))
    rows.add(edge_index(f"random_{TREES - 1:03d}", pool))
    return rows


@dataclass
class Built:
    """A project with random trees beside the report's index, and what dbt and the recomputation make of it."""

    project: Path
    database: Path
    expected: dict[Key, Result]
    computed: dict[Key, Result]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    project = copy_project(tmp_path_factory.mktemp("random_trees") / "project")
    seeds = project / "seeds"
    rows = _random_rows(random.Random(SEED), _read(seeds / "cities.csv"), _read(seeds / "cluster_members.csv"))
    for name, added in vars(rows).items():
        _append(seeds / f"{name}.csv", added)
    database = project / "build.duckdb"
    build = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "--quiet", "build", "--exclude-resource-type", "unit_test"],
        cwd=project,
        env={**os.environ, "CITY_INDEX_BUILD_DATABASE": str(database), "DBT_PROFILES_DIR": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    return Built(project, database, _expected(seeds), _computed(database))


def _of_indices(rows: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row["index_code"]].append(row)
    return groups


def _expected(seeds: Path) -> dict[Key, Result]:
    surroundings = Surroundings(*(_read(seeds / f"{name}.csv") for name in ("statistics", "cities", "cluster_members")))
    frameworks, observations, tiers = (
        _of_indices(_read(seeds / f"{name}.csv")) for name in ("frameworks", "observations", "tiers")
    )
    return {
        (index_code, *key): result
        for index_code in frameworks
        for key, result in recompute(
            frameworks[index_code], observations[index_code], surroundings, tiers[index_code]
        ).items()
    }


def _computed(database: Path) -> dict[Key, Result]:
    with duckdb.connect(str(database), read_only=True) as connection:
        rows = connection.execute(
            f"select index_code, edition, city_code, indicator_code, {', '.join(COMPARED)} from fct_indicator_scores "
            "where not is_synthetic"
        ).fetchall()
    return {tuple(row[:4]): Result(**dict(zip(COMPARED, row[4:], strict=True))) for row in rows}


@pytest.mark.slow
def test_every_index_agrees_with_the_recomputation(built: Built) -> None:
    assert len({key[0] for key in built.expected}) == TREES + 1
    found = differences(built.expected, built.computed)
    assert found == [], f"{len(found)} differences"


def cases(results: dict[Key, Result]) -> Counter[str]:
    """How many cells came to each step, reason, provenance and method."""
    counts: Counter[str] = Counter()
    for (_index, edition, _city, code), result in results.items():
        counts.update(result.steps)
        counts[f"missing:{result.missing_reason}"] += result.missing_reason is not None
        counts[f"contribution:{result.contribution_method}"] += result.contribution_method is not None
        counts[f"provenance:{result.provenance}"] += 1
        counts["imputed, without score"] += result.is_imputed and result.score is None
        counts["score below a missing node"] += result.contribution == 0 and result.score != 0
        if code == ROOT:
            counts["total missing"] += result.score is None
            counts["total partial"] += result.score is not None and result.coverage_share < 1
            counts[f"edition a year:{edition.isdigit()}"] += 1
            shares = (result.coverage_share, result.child_coverage_share)
            counts["coverages differ"] += result.weighted_coverage_share not in shares
    return counts


@pytest.mark.slow
def test_the_random_trees_reach_every_case_that_matters(built: Built) -> None:
    counts = cases({key: result for key, result in built.expected.items() if key[0].startswith("random_")})
    wanted = [
        *(f"normalised:{name}:{direction}" for name in NORMALISATIONS for direction in (1, -1)),
        *(f"imputed:{name}" for name in IMPUTATIONS),
        *(f"treated:{name}" for name in ("winsorise", "log")),
        *(f"aggregated:{name}:{policy}" for name in AGGREGATIONS for policy in POLICIES),
        *(f"missing:{name}" for name in MISSING_REASONS),
        *(f"contribution:{name}" for name in ("exact", "log_share", "score_share", "mixed")),
        *(f"provenance:{name}" for name in ("observed", "derived", "reconstructed", "imputed", "mixed", None)),
        "denominated",
        "imputed, without score",
        "score below a missing node",
        "total missing",
        "total partial",
        "edition a year:True",
        "edition a year:False",
        "coverages differ",
    ]
    assert {name: counts[name] for name in wanted if counts[name] < LEAST_CASES.get(name, 10)} == {}


@pytest.mark.slow
def test_random_trees_have_tied_ranks_and_contributions_that_add_up(built: Built) -> None:
    with duckdb.connect(str(built.database), read_only=True) as connection:
        (tied,) = connection.execute(
            "select count(*) from (select rank from fct_indicator_scores where rank is not null "
            "group by index_code, edition, indicator_code, rank having count(*) > 1)"
        ).fetchone()
        (worst,) = connection.execute(
            """
            select max(abs(totals.score - sums.contribution) / greatest(1, abs(totals.score)))
            from fct_indicator_scores as totals
            join (
                select index_code, edition, city_code, level, sum(coalesce(contribution, 0)) as contribution
                from fct_indicator_scores group by all
            ) as sums using (index_code, edition, city_code)
            where totals.level = 0 and totals.score is not null
            """
        ).fetchone()
    assert tied > 100
    assert worst < TOLERANCE


def test_the_reports_index_is_the_same_beside_others(built: Built, release) -> None:
    release.execute(f"attach '{built.database}' as beside (read_only)")
    (different,) = release.execute(
        """
        select count(*) from (
            (from main.fct_indicator_scores except from beside.main.fct_indicator_scores)
            union all
            (from beside.main.fct_indicator_scores where index_code = 'medical_digital'
             except from main.fct_indicator_scores)
        )
        """
    ).fetchone()
    assert different == 0


def _framework(*nodes: tuple[str, str, float, dict[str, str]]) -> list[dict[str, str]]:
    return [
        {"indicator_code": code, "parent_code": parent, "weight": str(weight), **method}
        for code, parent, weight, method in nodes
    ]


def _observations(values: dict[tuple[str, str], float]) -> list[dict[str, str]]:
    return [{"city_code": city, "indicator_code": code, "value": str(value)} for (city, code), value in values.items()]


def test_the_recomputation_knows_a_case_worked_by_hand() -> None:
    framework = _framework(
        ("total", "", 1, {}),
        ("p", "total", 1, {}),
        ("q", "total", 3, {}),
        ("ps", "p", 1, {}),
        ("qs", "q", 1, {}),
        ("pt", "ps", 1, {}),
        ("qt", "qs", 1, {}),
        ("qu", "qs", 1, {}),
    )
    results = recompute(framework, _observations({("a", "pt"): 100, ("a", "qt"): 20, ("b", "qu"): 80}))
    # Scores, ranks, contributions, how these were found, and what they rest on: leaves, children and weights.
    total, leaf = results["", "a", "total"], results["", "a", "qt"]
    assert total == Result(40.0, 2, 40.0, "exact", 2 / 3, 1.0, 0.625, False, "observed", None)
    assert leaf == Result(20.0, 1, 15.0, "exact", 1.0, None, 1.0, False, "observed", None)
    assert results["", "b", "total"] == Result(80.0, 1, 80.0, "exact", 1 / 3, 0.5, 0.375, False, "observed", None)
    assert results["", "b", "p"] == Result(None, None, None, None, 0.0, 0.0, 0.0, False, None, "no_child")
    assert results["", "b", "qt"] == Result(None, None, None, None, 0.0, None, 0.0, False, None, "not_observed")


def test_the_recomputation_knows_a_case_of_mixed_methods_worked_by_hand() -> None:
    framework = _framework(
        ("total", "", 1, {}),
        ("p", "total", 1, {}),
        ("q", "total", 3, {}),
        ("ps", "p", 1, {"aggregation": "geometric"}),
        ("qs", "q", 1, {"aggregation": "harmonic"}),
        ("pt", "ps", 1, {"normalisation": "z_score", "scale_low": "60", "scale_high": "20"}),
        ("pu", "ps", 1, {"normalisation": "min_max", "direction": "-1", "scale_low": "10", "scale_high": "90"}),
        ("qt", "qs", 1, {"imputation": "median"}),
        ("qu", "qs", 1, {"normalisation": "rank"}),
    )
    values = {
        "pt": {"a": 1, "b": 2, "c": 3},  # mean 2, sd 1: 40, 60, 80
        "pu": {"a": 0, "b": 5, "c": 10},  # turned round: 90, 50, 10
        "qt": {"a": 20, "b": 30},  # c takes their median, 25
        "qu": {"a": 7, "b": 7, "c": 1},  # ranks 2, 2, 1
    }
    results = recompute(
        framework,
        _observations({(city, code): value for code, found in values.items() for city, value in found.items()}),
    )
    expected = {
        # ps = sqrt(40 * 90) = 60; qs = 2 / (1/20 + 1/2) = 40/11; total = (60 + 3 * 40/11) / 4
        "a": {"ps": 60, "qs": 40 / 11, "total": 15 + 30 / 11},
        # ps = sqrt(60 * 50); qs = 2 / (1/30 + 1/2) = 15/4
        "b": {"ps": math.sqrt(3000), "qs": 15 / 4, "total": (math.sqrt(3000) + 45 / 4) / 4},
        # ps = sqrt(80 * 10); qs = 2 / (1/25 + 1) = 50/26
        "c": {"ps": math.sqrt(800), "qs": 50 / 26, "total": (math.sqrt(800) + 150 / 26) / 4},
    }
    for city, nodes in expected.items():
        for code, score in nodes.items():
            assert results["", city, code].score == pytest.approx(score, rel=1e-12)
    assert [results["", city, "total"].rank for city in "abc"] == [1, 2, 3]
    # p gives 15 points, shared as ln(1 + score); q gives 30/11, shared as the scores 20 and 2.
    points = {code: results["", "a", code].contribution for code in ("pt", "pu", "qt", "qu")}
    logs = math.log(41) + math.log(91)
    assert points == pytest.approx(
        {
            "pt": 15 * math.log(41) / logs,
            "pu": 15 * math.log(91) / logs,
            "qt": 30 / 11 * 20 / 22,
            "qu": 30 / 11 * 2 / 22,
        },
        rel=1e-12,
    )
    methods = {code: results["", "a", code].contribution_method for code in ("total", "ps", "pt", "qs", "qt")}
    assert methods == {
        "total": "exact",
        "ps": "exact",
        "pt": "log_share",
        "qs": "exact",
        "qt": "score_share",
    }
    imputed, above = results["", "c", "qt"], results["", "c", "total"]
    assert (imputed.score, imputed.is_imputed, imputed.provenance) == (25.0, True, "imputed")
    assert (above.is_imputed, above.provenance, above.coverage_share) == (True, "mixed", 0.75)
    assert above.weighted_coverage_share == pytest.approx(1 - 3 / 8, rel=1e-12)
