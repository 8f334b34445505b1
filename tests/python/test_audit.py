"""The audit's tables agree with a recomputation: on the report's index, on random trees, on a case worked by hand."""

from __future__ import annotations

import csv
import importlib.util
import math
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import numpy as np
import pytest
from index_rows import ROOT, Rows, node, observation
from random_trees import edge_index, random_index, random_surroundings
from recomputed_audit import Group, correlations, distribution, pairs_of
from recomputed_trees import Tree
from scipy.optimize import minimize
from support import copy_project

from city_index.settings import PROJECT_DIRECTORY

TOLERANCE = 1e-9
# Squared correlations that come to less are the last bits of none.
NOTHING = 1e-14
TREES = 60
SEED = 1517

SETS = ("printed", "equal", "entropy", "critic", "principal_component", "correlation_optimised")
LEAST_WEIGHT = 0.001


def by_hand() -> Rows:
    """Four cities and three groups: two children that have nothing in common, two that say the same, one constant."""
    key = {"index_code": "by_hand", "edition": "2021"}
    apart = {"apart_a": (3.0, [0, 0, 100, 100]), "apart_b": (1.0, [0, 100, 0, 100])}
    alike = {"alike_a": (1.0, [0, 0, 100, 100]), "alike_b": (1.0, [50, 50, 100, 100])}
    flat = {"flat_a": (1.0, [0, 0, 100, 100]), "flat_b": (3.0, [7, 7, 7, 7])}
    rows = Rows(frameworks=[node(key, ROOT, ""), node(key, "p", ROOT)])
    for group, leaves in (("apart", apart), ("alike", alike), ("flat", flat)):
        rows.frameworks.append(node(key, group, "p"))
        for code, (weight, values) in leaves.items():
            rows.frameworks.append(node(key, code, group, weight))
            rows.observations += [
                observation(key, city, code, float(value))
                for city, value in zip(("beijing", "shanghai", "guangzhou", "hangzhou"), values, strict=True)
            ]
    return rows


def crowded(count: int) -> Rows:
    """A parent with more children than are paired."""
    key = {"index_code": "crowded", "edition": "2021"}
    rows = Rows(frameworks=[node(key, ROOT, ""), node(key, "p", ROOT), node(key, "s", "p")])
    for number in range(count):
        rows.frameworks.append(node(key, f"leaf_{number:03d}", "s"))
        for place, city in enumerate(("beijing", "shanghai", "guangzhou", "hangzhou")):
            rows.observations.append(observation(key, city, f"leaf_{number:03d}", float(10 * place + number % 7)))
    return rows


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that dbt alone built, with random trees and the case by hand beside the report's index."""
    project = copy_project(tmp_path_factory.mktemp("audit") / "project")
    seeds = project / "seeds"
    with (seeds / "cities.csv").open(encoding="utf-8", newline="") as stream:
        cities = [row["city_code"] for row in csv.DictReader(stream)]
    rng = random.Random(SEED)
    rows, pool = random_surroundings(rng, rng.sample(cities, 24))
    for number in range(TREES - 1):
        rows.add(random_index(rng, f"random_{number:03d}", pool))
    for added in (edge_index(f"random_{TREES - 1:03d}", pool), by_hand(), crowded(201)):
        rows.add(added)
    for name, found in vars(rows).items():
        with (seeds / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            columns = next(csv.reader(stream))
        with (seeds / f"{name}.csv").open("a", encoding="utf-8", newline="") as stream:
            csv.DictWriter(stream, columns, restval="", lineterminator="\n").writerows(found)
    database = project / "build.duckdb"
    build = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "build", "--exclude-resource-type", "unit_test"],
        cwd=project,
        env={**os.environ, "CITY_INDEX_BUILD_DATABASE": str(database), "DBT_PROFILES_DIR": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert build.returncode == 0, build.stdout[-3000:]
    assert "WARN 1 assert_siblings_are_few_enough_to_be_paired" in build.stdout
    return database


@pytest.fixture
def beside_connection(beside: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(beside), read_only=True) as connection:
        yield connection


def rows_of(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found = connection.execute(query)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


class Audited:
    """The tables of one edition of an index, with its scores and values as columns of numbers."""

    def __init__(self, key: tuple[str, str], tables: dict[str, list[dict[str, Any]]]) -> None:
        self.key = key
        self.tables = tables
        self.nodes = {row["indicator_code"]: row for row in tables["dim_indicators"]}
        self.parents: dict[str, list[str]] = defaultdict(list)
        for code in sorted(self.nodes):
            if self.nodes[code]["parent_code"]:
                self.parents[self.nodes[code]["parent_code"]].append(code)
        self.cities = sorted({row["city_code"] for row in tables["fct_indicator_scores"]})
        self.scores = self._columns(tables["fct_indicator_scores"], "score")
        self.values = self._columns(tables["values"], "value")

    def _columns(self, rows: list[dict[str, Any]], name: str) -> dict[str, np.ndarray]:
        position = {city: number for number, city in enumerate(self.cities)}
        columns = {code: np.full(len(self.cities), np.nan) for code in self.nodes}
        for row in rows:
            if row[name] is not None:
                columns[row["indicator_code"]][position[row["city_code"]]] = row[name]
        return columns

    def group(self, parent: str) -> Group:
        children = self.parents[parent]
        scores = np.array([self.scores[child] for child in children]).reshape(len(children), len(self.cities)).T
        return Group(scores, np.array([self.nodes[child]["weight"] for child in children]))

    def weights(self, weight_set: str) -> dict[str, dict[str, Any]]:
        return {row["indicator_code"]: row for row in self.tables["fct_weight_sets"] if row["weight_set"] == weight_set}


TABLES = (
    "dim_indicators",
    "fct_indicator_scores",
    "fct_indicator_stats",
    "fct_correlations",
    "fct_indicator_groups",
    "fct_indicator_importance",
    "fct_weight_sets",
    "fct_scenario_scores",
)


def audited(connection: duckdb.DuckDBPyConnection, values: str) -> list[Audited]:
    """Every edition of every index of a database; values is a query for what was observed."""
    grouped: dict[tuple[str, str], dict[str, list]] = defaultdict(lambda: {name: [] for name in (*TABLES, "values")})
    for name in (*TABLES, "values"):
        for row in rows_of(connection, values if name == "values" else f"select * from {name}"):
            grouped[row["index_code"], row["edition"]][name].append(row)
    return [Audited(key, tables) for key, tables in grouped.items()]


@pytest.fixture
def report(release: duckdb.DuckDBPyConnection) -> Audited:
    """The report's index as published. All its leaves are scores as they were observed."""
    found, _demonstration = audited(
        release, "select * exclude (level), score as value from fct_indicator_scores where level = 3"
    )
    return found


@pytest.fixture
def others(beside_connection: duckdb.DuckDBPyConnection) -> list[Audited]:
    """The random trees and the other indices beside the report's."""
    values = "select * from intermediate.int_city_indicator_values where scenario = 'published'"
    found = audited(beside_connection, values)
    return [index for index in found if index.key[0] != "medical_digital"]


def is_near(have: Any, want: Any) -> bool:
    if want is None or have is None or isinstance(want, (str, bool)):
        return have == want
    return math.isclose(have, want, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def differences(have: dict[str, Any], want: dict[str, Any], where: object) -> list[str]:
    return [
        f"{where}: {name} {have[name]} instead of {want[name]}" for name in want if not is_near(have[name], want[name])
    ]


def stats_differences(index: Audited) -> list[str]:
    found = []
    rows = {row["indicator_code"]: row for row in index.tables["fct_indicator_stats"]}
    assert rows.keys() == index.nodes.keys()
    for code, row in rows.items():
        is_leaf = not index.parents[code]
        want = distribution(index.values[code], None) if is_leaf else distribution(index.scores[code], 9)
        assert row["measure"] == ("value" if is_leaf else "score")
        found += differences(row, want, (index.key, code))
    return found


def correlation_differences(index: Audited, most_siblings: int = 200) -> list[str]:
    found = []
    below = [code for code in index.nodes if index.nodes[code]["parent_code"]]
    expected = {("with_parent", code, index.nodes[code]["parent_code"]) for code in below}
    expected |= {("with_total", code, ROOT) for code in below}
    for children in index.parents.values():
        if len(children) <= most_siblings:
            expected |= {("within_parent", *pair) for pair in pairs_of(children)}
    rows = {
        (row["relation"], row["indicator_code"], row["other_indicator_code"]): row
        for row in index.tables["fct_correlations"]
    }
    assert rows.keys() == expected
    for (relation, code, other), row in rows.items():
        want = correlations(index.scores[code], index.scores[other])
        pearson = want["pearson"]
        want["is_negative"] = None if pearson is None else bool(round(pearson, 9) < 0)
        want["is_collinear"] = None if pearson is None else bool(round(abs(pearson), 9) > 0.9)
        found += differences(row, want, (index.key, relation, code, other))
    return found


def group_differences(index: Audited, most_siblings: int = 200) -> list[str]:
    found = []
    rows = {row["indicator_code"]: row for row in index.tables["fct_indicator_groups"]}
    assert rows.keys() == {code for code, children in index.parents.items() if children}
    for parent, row in rows.items():
        group = index.group(parent)
        want = {
            "child_count": group.count,
            "city_count": len(group.scores),
            "cronbach_alpha": group.cronbach_alpha(),
            "first_component_share": group.first_component_share() if group.count <= most_siblings else None,
        }
        found += differences(row, want, (index.key, parent))
    return found


def importance_differences(index: Audited) -> list[str]:
    found = []
    rows = {row["indicator_code"]: row for row in index.tables["fct_indicator_importance"]}
    for parent, children in index.parents.items():
        squares = {child: correlations(index.scores[child], index.scores[parent])["pearson"] for child in children}
        squares = {child: None if value is None else value**2 for child, value in squares.items()}
        whole = math.fsum(square for square in squares.values() if square is not None)
        for child in children:
            row = rows.pop(child)
            share = None if squares[child] is None or whole < NOTHING else squares[child] / whole
            ratio = None if share is None else share / index.nodes[child]["weight"]
            want = {"importance_share": share, "importance_ratio": ratio, "weight": index.nodes[child]["weight"]}
            found += differences(row, want, (index.key, child))
    assert rows == {}
    return found


def weight_differences(index: Audited, most_siblings: int = 200) -> list[str]:
    found = []
    for name in SETS:
        rows = index.weights(name)
        assert rows.keys() == index.nodes.keys()
        for parent, children in index.parents.items():
            group = index.group(parent)
            have = np.array([rows[child]["weight"] for child in children])
            (status,) = {rows[child]["status"] for child in children}
            if name == "correlation_optimised":
                is_computed = group.can_be_optimised and group.count <= most_siblings
                want = have if is_computed and status == "computed" else group.weights
            else:
                is_paired = group.count <= most_siblings or name in ("printed", "equal", "entropy")
                weights = group.weight_set(name) if is_paired else None
                is_computed, want = weights is not None, group.weights if weights is None else weights
            expected = (
                "framework"
                if name == "printed"
                else "single_child"
                if group.count == 1
                else "computed"
                if is_computed
                else "not_computable"
            )
            if status != expected:
                found.append(f"{index.key} {parent} {name}: {status} instead of {expected}")
            elif np.abs(have - want).max() > TOLERANCE or abs(have.sum() - 1) > TOLERANCE:
                found.append(f"{index.key} {parent} {name}: {have} instead of {want}")
            for child in children:
                effective = rows[child]["weight"] * rows[parent]["effective_weight"]
                found += differences(rows[child], {"effective_weight": effective}, (index.key, name, child))
                stands_in = status in ("framework", "not_computable")
                standing = index.nodes[child]["weight_status"] if stands_in else "computed"
                assert rows[child]["weight_status"] == standing
    return found


def scenario_differences(index: Audited) -> list[str]:
    """The published leaf scores taken through the tree under each set of weights, in plain Python."""
    found = []
    leaves = [code for code in index.nodes if not index.parents[code]]
    totals = index.scores[ROOT]
    published = {city: None if np.isnan(score) else score for city, score in zip(index.cities, totals, strict=True)}
    computed = {
        (row["scenario"], row["city_code"]): row
        for row in index.tables["fct_scenario_scores"]
        if row["scenario_kind"] == "weight_set"
    }
    for name in SETS[1:]:
        rows = index.weights(name)
        tree = Tree(
            {
                "indicator_code": code,
                "parent_code": row["parent_code"] or "",
                "weight": repr(rows[code]["weight"]),
                **{
                    choice: "" if row[choice] is None else str(row[choice])
                    for choice in ("aggregation", "missing_policy", "min_coverage")
                },
            }
            for code, row in index.nodes.items()
        )
        if any(row["weight"] == 0 for row in rows.values()):
            continue
        scores = {}
        for position, city in enumerate(index.cities):
            leaf_scores = {code: index.scores[code][position] for code in leaves}
            leaf_scores = {code: None if np.isnan(score) else float(score) for code, score in leaf_scores.items()}
            scores[city] = tree.score(leaf_scores)[0][ROOT]
        ranks, published_ranks = ranked(scores), ranked(published)
        for city, score in scores.items():
            row = computed.pop((f"weights_{name}", city))
            is_ranked = ranks[city] is not None and published_ranks[city] is not None
            want = {
                "total_score": score,
                "total_rank": ranks[city],
                "published_score": published[city],
                "published_rank": published_ranks[city],
                "rank_change": published_ranks[city] - ranks[city] if is_ranked else None,
                "method_edition": index.key[1],
            }
            found += differences(row, want, (index.key, name, city))
    return found + method_differences(index)


def method_differences(index: Audited) -> list[str]:
    """The newest method on an edition: its totals are compared elsewhere; here the ranks that are made of them."""
    rows = {row["city_code"]: row for row in index.tables["fct_scenario_scores"] if row["scenario_kind"] == "method"}
    assert rows.keys() in (set(), set(index.cities))
    ranks = ranked({city: row["total_score"] for city, row in rows.items()})
    return [
        f"{index.key} {city}: rank {row['total_rank']} instead of {ranks[city]}"
        for city, row in rows.items()
        if row["total_rank"] != ranks[city]
        or (row["scenario"], row["method_edition"] == index.key[1]) != ("newest_method", False)
    ]


def ranked(scores: dict[str, float | None]) -> dict[str, int | None]:
    rounded = {city: round(score, 9) for city, score in scores.items() if score is not None}
    return {
        city: 1 + sum(other > rounded[city] for other in rounded.values()) if city in rounded else None
        for city in scores
    }


CHECKED = (
    stats_differences,
    correlation_differences,
    group_differences,
    importance_differences,
    weight_differences,
    scenario_differences,
)


@pytest.mark.parametrize("check", CHECKED, ids=lambda check: check.__name__)
def test_the_audit_of_the_reports_index_agrees_with_the_recomputation(check, report: Audited) -> None:
    assert check(report) == []


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKED, ids=lambda check: check.__name__)
def test_the_audit_of_random_trees_agrees_with_the_recomputation(check, others: list[Audited]) -> None:
    assert len(others) > TREES
    assert [found for index in others for found in check(index)] == []


def groups_of(indices: Iterable[Audited]) -> Iterator[tuple[Audited, str, Group]]:
    for index in indices:
        for parent, children in index.parents.items():
            if children:
                yield index, parent, index.group(parent)


def optimised_of(index: Audited, parent: str) -> tuple[np.ndarray, str]:
    rows = index.weights("correlation_optimised")
    children = index.parents[parent]
    return np.array([rows[child]["weight"] for child in children]), rows[children[0]]["status"]


def misfits_that_are_not_smaller(indices: Iterable[Audited]) -> tuple[list[str], int]:
    found, computed = [], 0
    for index, parent, group in groups_of(indices):
        weights, status = optimised_of(index, parent)
        if status == "computed":
            computed += 1
            exact = group.exact_weights()
            misfit = group.misfit(weights)
            if misfit > group.misfit(group.weights) + TOLERANCE:
                found.append(f"{index.key} {parent}: {misfit} is more than under the framework's weights")
            least = min(LEAST_WEIGHT, group.weights.min() / 2)
            if weights.min() < least - TOLERANCE:
                found.append(f"{index.key} {parent}: a weight below {least}")
            is_steady = np.linalg.cond(group.correlations) < 1e5
            if exact is not None and exact.min() >= least and is_steady and np.abs(weights - exact).max() > 1e-8:
                found.append(f"{index.key} {parent}: {weights} instead of {exact}")
    return found, computed


def test_optimised_weights_bring_importance_closer_to_the_reports_weights(report: Audited) -> None:
    found, computed = misfits_that_are_not_smaller([report])
    assert found == []
    assert computed == 23


@pytest.mark.slow
def test_optimised_weights_bring_importance_closer_on_random_trees(others: list[Audited]) -> None:
    found, computed = misfits_that_are_not_smaller(others)
    assert found == []
    assert computed > 100


def test_no_weights_bring_importance_closer_than_the_optimised_ones(report: Audited) -> None:
    for _index, parent, group in groups_of([report]):
        weights, _status = optimised_of(report, parent)
        searched = minimize(
            group.misfit,
            np.full(group.count, 1 / group.count),
            method="SLSQP",
            bounds=[(LEAST_WEIGHT, 1)] * group.count,
            constraints={"type": "eq", "fun": lambda free: free.sum() - 1},
            options={"maxiter": 1000, "ftol": 1e-14},
        ).x
        assert group.misfit(weights) <= group.misfit(searched) + TOLERANCE, parent


@pytest.mark.slow
def test_random_trees_reach_what_is_not_defined(others: list[Audited]) -> None:
    statuses: Counter = Counter()
    missing: Counter = Counter()
    for index in others:
        statuses.update((row["weight_set"], row["status"]) for row in index.tables["fct_weight_sets"])
        missing["pearson"] += sum(row["pearson"] is None for row in index.tables["fct_correlations"])
        missing["alpha"] += sum(row["cronbach_alpha"] is None for row in index.tables["fct_indicator_groups"])
        missing["gaps"] += sum(bool(row["missing_count"]) for row in index.tables["fct_indicator_stats"])
        missing["flags"] += sum(bool(row["flags"]) for row in index.tables["fct_indicator_stats"])
        missing["totals"] += sum(row["total_score"] is None for row in index.tables["fct_scenario_scores"])
        missing["methods"] += sum(row["scenario_kind"] == "method" for row in index.tables["fct_scenario_scores"])
    assert min(missing.values()) > 50, missing
    for name in SETS[2:]:
        assert min(statuses[name, "computed"], statuses[name, "not_computable"]) > 50, statuses


@pytest.mark.slow
def test_a_case_worked_by_hand(others: list[Audited]) -> None:
    (index,) = (index for index in others if index.key[0] == "by_hand")
    weights = {
        (row["weight_set"], row["indicator_code"]): (pytest.approx(row["weight"]), row["status"])
        for row in index.tables["fct_weight_sets"]
    }
    groups = {row["indicator_code"]: row for row in index.tables["fct_indicator_groups"]}
    importance = {row["indicator_code"]: row for row in index.tables["fct_indicator_importance"]}

    # Nothing in common: no consistency, no first component; correlations follow the weights as they are.
    assert groups["apart"]["cronbach_alpha"] == pytest.approx(0, abs=TOLERANCE)
    assert groups["apart"]["first_component_share"] == pytest.approx(1 / 2)
    for name in ("equal", "entropy", "critic"):
        assert weights[name, "apart_a"] == (0.5, "computed")
    assert weights["principal_component", "apart_a"] == (0.75, "not_computable")
    assert weights["correlation_optimised", "apart_a"] == (0.75, "computed")
    # 3 a + b has the variance 9 + 1; squared correlations of 9 / 10 and 1 / 10.
    assert importance["apart_a"]["importance_share"] == pytest.approx(0.9)
    assert importance["apart_b"]["importance_ratio"] == pytest.approx(0.4)

    # The same said twice, on scales of 100 and 50: variances 4 + 1 of a sum with 9.
    assert groups["alike"]["cronbach_alpha"] == pytest.approx(2 * (1 - 5 / 9))
    assert groups["alike"]["first_component_share"] == pytest.approx(1)
    assert weights["entropy", "alike_a"] == (0.5, "computed")
    assert weights["principal_component", "alike_a"] == (0.5, "computed")
    for name in ("critic", "correlation_optimised"):
        assert weights[name, "alike_a"] == (0.5, "not_computable")

    # A child without spread: only equal weights are left.
    assert groups["flat"]["cronbach_alpha"] == pytest.approx(0, abs=TOLERANCE)
    assert groups["flat"]["first_component_share"] is None
    assert weights["equal", "flat_a"] == (0.5, "computed")
    for name in SETS[2:]:
        assert weights[name, "flat_a"] == (0.25, "not_computable")
    assert importance["flat_a"]["importance_share"] == pytest.approx(1)
    assert importance["flat_b"]["importance_share"] is None


@pytest.mark.slow
def test_children_that_are_too_many_to_be_paired_keep_what_needs_no_pairs(others: list[Audited]) -> None:
    (index,) = (index for index in others if index.key[0] == "crowded")
    (group,) = (row for row in index.tables["fct_indicator_groups"] if row["indicator_code"] == "s")
    assert group["child_count"] == 201
    assert group["cronbach_alpha"] is not None
    assert group["first_component_share"] is None
    assert {row["relation"] for row in index.tables["fct_correlations"]} == {"with_parent", "with_total"}
    statuses = {
        row["weight_set"]: row["status"]
        for row in index.tables["fct_weight_sets"]
        if row["indicator_code"] == "leaf_000"
    }
    assert statuses == {
        "printed": "framework",
        "equal": "computed",
        "entropy": "computed",
        **dict.fromkeys(("critic", "principal_component", "correlation_optimised"), "not_computable"),
    }


@pytest.fixture(scope="module")
def components() -> ModuleType:
    """The model that is written in Python."""
    path = PROJECT_DIRECTORY / "models" / "intermediate" / "int_sibling_components.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_components_of_matrices_worked_by_hand(components: ModuleType) -> None:
    half = np.array([[1.0, 0.5], [0.5, 1.0]])
    share, loadings = components.first_component(half)
    assert share == pytest.approx(0.75)
    assert loadings == pytest.approx([0.5, 0.5])
    # Two that correlate at 0.6 and one apart: the component is theirs, and the one apart has none of it.
    apart = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, 0.0], [0.0, 0.0, 1.0]])
    share, loadings = components.first_component(apart)
    assert share == pytest.approx(1.6 / 3)
    assert loadings == pytest.approx([0.5, 0.5, 0.0], abs=1e-12)
    assert components.first_component(np.eye(3)) == (pytest.approx(1 / 3), None)


def test_optimised_weights_worked_by_hand(components: ModuleType) -> None:
    half = np.array([[1.0, 0.5], [0.5, 1.0]])
    one = np.ones(2)
    # Aims of 3/5 and 2/5 need w1 + w2/2 : w1/2 + w2 = 3 : 2, which 4/5 and 1/5 of equal spread have.
    assert components.optimised_weights(half, one, np.array([0.6, 0.4]), 0.001) == pytest.approx([0.8, 0.2])
    # Twice the spread needs half the weight.
    found = components.optimised_weights(half, np.array([2.0, 1.0]), np.array([0.6, 0.4]), 0.001)
    assert found == pytest.approx([2 / 3, 1 / 3])
    # An aim of 1/10 is below what a correlation of 1/2 allows: the weight stops at the least.
    found = components.optimised_weights(half, one, np.array([0.9, 0.1]), 0.01)
    assert found == pytest.approx([0.99, 0.01])
    # A framework that gives less itself is not raised above half of that.
    found = components.optimised_weights(half, one, np.array([0.999, 0.001]), 0.01)
    assert found == pytest.approx([0.9995, 0.0005])
    assert components.optimised_weights(np.ones((2, 2)), one, np.array([0.5, 0.5]), 0.001) is None
