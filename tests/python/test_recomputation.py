"""The SQL agrees with an independent recomputation, on the seeds and on random trees with missing values."""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import duckdb
import pytest
from recomputation import ROOT, Result, recompute
from support import copy_project

TREES = 50
SEED = 20201
TOLERANCE = 1e-9

FRAMEWORK_COLUMNS = [
    "index_code",
    "edition",
    "indicator_code",
    "parent_code",
    "name_zh",
    "name_en",
    "weight",
    "direction",
    "normalisation",
    "norm_low",
    "norm_high",
    "scale_low",
    "scale_high",
    "aggregation",
    "missing_policy",
    "min_coverage",
    "weight_status",
    "note",
]
OBSERVATION_COLUMNS = [
    "index_code",
    "edition",
    "city_code",
    "indicator_code",
    "value",
    "observed_on",
    "source",
    "provenance",
]


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _append(path: Path, columns: list[str], rows: list[dict[str, object]]) -> None:
    with path.open("a", encoding="utf-8", newline="") as stream:
        csv.DictWriter(stream, columns, restval="", lineterminator="\n").writerows(rows)


def random_tree(rng: random.Random, index_code: str, cities: list[str]) -> tuple[list[dict], list[dict]]:
    """A framework of three levels and observations with gaps and ties; weights are relative, of any size."""
    key = {"index_code": index_code, "edition": "2021"}
    framework: list[dict] = []

    def node(code: str, parent: str, is_inner: bool) -> None:
        policy = {
            "missing_policy": rng.choice(["", "renormalise", "zero", "fail"]),
            "min_coverage": rng.choice(["", "", "0.25", "0.5", "0.6", repr(2 / 3), "1"]),
        }
        framework.append(
            {
                **key,
                "indicator_code": code,
                "parent_code": parent,
                "name_zh": code,
                "name_en": code,
                "weight": repr(rng.uniform(0.01, 30)),
                **(policy if is_inner else {"min_coverage": "", "missing_policy": ""}),
            }
        )

    leaves = []
    node(ROOT, "", True)
    for p in range(rng.randint(1, 4)):
        node(f"p{p}", ROOT, True)
        for s in range(rng.randint(1, 4)):
            node(f"p{p}s{s}", f"p{p}", True)
            for t in range(rng.randint(1, 5)):
                node(f"p{p}s{s}t{t}", f"p{p}s{s}", False)
                leaves.append(f"p{p}s{s}t{t}")
    missing_share = rng.choice([0.0, 0.1, 0.3, 0.6])
    values = [lambda: rng.uniform(0, 100), lambda: rng.choice([0, 50, 100]), lambda: 100 * rng.random() ** 8]
    observations = []
    for city in rng.sample(cities, rng.randint(2, 12)):
        observed = [leaf for leaf in leaves if rng.random() >= missing_share] or [rng.choice(leaves)]
        draw = rng.choice(values)
        observations += [
            {**key, "city_code": city, "indicator_code": leaf, "value": repr(draw()), "provenance": "observed"}
            for leaf in observed
        ]
    return framework, observations


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A project with the random trees beside the report's index, built by dbt alone; the project and the database."""
    project = copy_project(tmp_path_factory.mktemp("random_trees") / "project")
    rng = random.Random(SEED)
    cities = [row["city_code"] for row in _read(project / "seeds" / "cities.csv")]
    for number in range(TREES):
        framework, observations = random_tree(rng, f"random_{number:02d}", cities)
        _append(project / "seeds" / "frameworks.csv", FRAMEWORK_COLUMNS, framework)
        _append(project / "seeds" / "observations.csv", OBSERVATION_COLUMNS, observations)
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
    return project, database


def _grouped(rows: list[dict[str, str]]) -> dict[tuple[str, str], list[dict[str, str]]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row["index_code"], row["edition"]].append(row)
    return groups


def _computed(database: Path) -> dict[tuple[str, str], dict[tuple[str, str], Result]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        rows = connection.execute(
            "select index_code, edition, city_code, indicator_code, score, rank, contribution, coverage_share "
            "from fct_indicator_scores"
        ).fetchall()
    groups: dict = defaultdict(dict)
    for index_code, edition, city, code, *result in rows:
        groups[index_code, edition][city, code] = Result(*result)
    return groups


def _differences(expected: dict, computed: dict) -> list[str]:
    found = [f"rows: {sorted(set(expected) ^ set(computed))[:5]}"] if set(expected) != set(computed) else []
    for key in expected.keys() & computed.keys():
        want, have = expected[key], computed[key]
        if want.rank != have.rank:
            found.append(f"{key}: rank {have.rank} instead of {want.rank}")
        for name in ("score", "contribution", "coverage_share"):
            a, b = getattr(want, name), getattr(have, name)
            if (a is None) != (b is None) or (a is not None and abs(a - b) > TOLERANCE):
                found.append(f"{key}: {name} {b} instead of {a}")
    return found


@pytest.mark.slow
def test_every_index_agrees_with_the_recomputation(built: tuple[Path, Path]) -> None:
    project, database = built
    frameworks = _grouped(_read(project / "seeds" / "frameworks.csv"))
    observations = _grouped(_read(project / "seeds" / "observations.csv"))
    computed = _computed(database)
    assert len(frameworks) == TREES + 1
    assert computed.keys() == frameworks.keys()
    missing = partial = 0
    for key, framework in frameworks.items():
        expected = recompute(framework, observations[key])
        assert _differences(expected, computed[key]) == [], key
        totals = [result for (_city, code), result in expected.items() if code == ROOT]
        missing += sum(result.score is None for result in totals)
        partial += sum(result.score is not None and result.coverage_share < 1 for result in totals)
    # The random trees reach the cases that matter.
    assert missing > 10
    assert partial > 50


@pytest.mark.slow
def test_random_trees_have_tied_totals_and_contributions_that_add_up(built: tuple[Path, Path]) -> None:
    _project, database = built
    with duckdb.connect(str(database), read_only=True) as connection:
        (tied,) = connection.execute(
            "select count(*) from (select rank from fct_indicator_scores where rank is not null "
            "group by index_code, edition, indicator_code, rank having count(*) > 1)"
        ).fetchone()
        (worst,) = connection.execute(
            """
            select max(abs(totals.score - sums.contribution))
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


def test_the_reports_index_is_the_same_beside_others(built: tuple[Path, Path], release) -> None:
    _project, database = built
    release.execute(f"attach '{database}' as beside (read_only)")
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


def test_the_recomputation_knows_a_case_worked_by_hand() -> None:
    base = {"missing_policy": "", "min_coverage": ""}
    framework = [
        {"indicator_code": "total", "parent_code": "", "weight": "1", **base},
        {"indicator_code": "p", "parent_code": "total", "weight": "1", **base},
        {"indicator_code": "q", "parent_code": "total", "weight": "3", **base},
        {"indicator_code": "ps", "parent_code": "p", "weight": "1", **base},
        {"indicator_code": "qs", "parent_code": "q", "weight": "1", **base},
        {"indicator_code": "pt", "parent_code": "ps", "weight": "1", **base},
        {"indicator_code": "qt", "parent_code": "qs", "weight": "1", **base},
        {"indicator_code": "qu", "parent_code": "qs", "weight": "1", **base},
    ]
    observations = [
        {"city_code": "a", "indicator_code": "pt", "value": "100"},
        {"city_code": "a", "indicator_code": "qt", "value": "20"},
        {"city_code": "b", "indicator_code": "qu", "value": "80"},
    ]
    results = recompute(framework, observations)
    assert results["a", "total"] == Result(40.0, 2, 40.0, 2 / 3)
    assert results["a", "qt"] == Result(20.0, 1, 15.0, 1.0)
    assert results["b", "total"] == Result(80.0, 1, 80.0, 1 / 3)
    assert results["b", "p"] == Result(None, None, None, 0.0)
