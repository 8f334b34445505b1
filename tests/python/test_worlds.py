"""Many worlds at once give what a plain loop gives, and what is known of ranks and variances holds of them."""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_rows import ROOT, Row, Rows
from random_trees import AGGREGATIONS, POLICIES, random_index, random_surroundings
from recomputation import Result, Surroundings, recompute
from recomputed_trees import Tree as PlainTree

from city_index.settings import PROJECT_DIRECTORY
from city_index.worlds import gathering, ranking
from city_index.worlds.batches import Ranked
from city_index.worlds.draws import (
    draw_methods,
    draw_weights,
    leave_one_out,
    next_cities,
    published_ranks,
    rank_summary,
)
from city_index.worlds.gathering import RankSummary
from city_index.worlds.sensitivity import (
    IndexModel,
    Sensitivity,
    converged_indices,
    indices,
    mean_rank_shift,
    saltelli_design,
)
from city_index.worlds.tree import AGGREGATIONS as AGGREGATION_CODES
from city_index.worlds.tree import MISSING_POLICIES, Scores, Tree, Worlds, effective_keys, ranks, score

FEW = settings(max_examples=40, deadline=None, derandomize=True)
DRAWS = 200
RANDOM_INDICES = 40

PlainScores = dict[str, dict[str, float | None]]


def tree_of(framework: list[Row]) -> Tree:
    parents = {row["indicator_code"]: row["parent_code"] for row in framework}

    def level(code: str) -> int:
        return level(parents[code]) + 1 if parents[code] else 0

    return Tree.of({**row, "level": level(row["indicator_code"])} for row in framework)


def scores_of(tree: Tree, cities: list[str], leaf_scores: PlainScores) -> Scores:
    cells = [(city, code, found) for city in cities for code, found in leaf_scores[city].items()]
    return Scores.of(tree, cities, *zip(*cells, strict=True))


def made_tree(*branches: tuple[int, ...], **choices: str) -> Tree:
    """A tree with a primary for each branch and a secondary for each number, which is that of its leaves."""
    rows = [{"indicator_code": ROOT, "parent_code": "", "weight": "1", **choices}]
    for p, branch in enumerate(branches):
        rows.append({"indicator_code": f"p{p}", "parent_code": ROOT, "weight": str(p + 1), **choices})
        for s, leaf_count in enumerate(branch):
            rows.append({"indicator_code": f"p{p}s{s}", "parent_code": f"p{p}", "weight": str(s + 2), **choices})
            rows += [
                {"indicator_code": f"p{p}s{s}t{t}", "parent_code": f"p{p}s{s}", "weight": str(2 * t + 1)}
                for t in range(leaf_count)
            ]
    return tree_of(rows)


def leaf_scores_of(tree: Tree, values: np.ndarray) -> Scores:
    return Scores(tuple(f"city_{number}" for number in range(len(values))), np.asarray(values, float)[None])


def summary_of(tree: Tree, leaf_scores: Scores, worlds: Worlds, **options) -> dict[str, RankSummary]:
    return rank_summary(tree, leaf_scores, worlds, published_ranks(tree, leaf_scores), **options)


def assert_same(have: dict[str, RankSummary], want: dict[str, RankSummary]) -> None:
    assert have.keys() == want.keys()
    for code, summary in want.items():
        for name, found in vars(summary).items():
            assert np.array_equal(getattr(have[code], name), found, equal_nan=True), (code, name)


# A plain loop


def plain_world(framework: list[Row], worlds: Worlds, tree: Tree, world: int) -> list[Row]:
    """The framework of one world."""
    rows = []
    for row in framework:
        node = tree.codes.index(row["indicator_code"])
        if worlds.gone is not None and worlds.gone[world, node]:
            continue
        changed = {**row, "weight": repr(float(worlds.weights[world, node]))}
        if tree.children[node] and worlds.aggregations is not None:
            changed["aggregation"] = AGGREGATION_CODES[worlds.aggregations[world, node]]
        if tree.children[node] and worlds.missing_policies is not None:
            changed["missing_policy"] = MISSING_POLICIES[worlds.missing_policies[world, node]]
        rows.append(changed)
    return rows


def plain_scores(
    framework: list[Row], leaf_scores: PlainScores, tree_type: type[PlainTree] = PlainTree
) -> dict[str, dict[str, float | None]]:
    """The scores of all nodes of one world by city."""
    tree = tree_type(framework)
    return {city: tree.score({leaf: found[leaf] for leaf in tree.leaves})[0] for city, found in leaf_scores.items()}


def plain_ranks(scores: dict[str, dict[str, float | None]], code: str) -> list[int]:
    """The rank of each city in one node, 0 where it has none."""
    rounded = [None if each.get(code) is None else round(each[code], 9) for each in scores.values()]
    present = sorted(-found for found in rounded if found is not None)
    places = {found: place for place, found in reversed(list(enumerate(present, start=1)))}
    return [0 if found is None else places[-found] for found in rounded]


@pytest.fixture(scope="module")
def report() -> tuple[list[Row], list[Row]]:
    """The report's index: its framework and its observations."""

    def rows(name: str) -> list[Row]:
        with (PROJECT_DIRECTORY / "seeds" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            return [row for row in csv.DictReader(stream) if row["edition"] == "2020"]

    return rows("frameworks"), rows("observations")


@pytest.fixture(scope="module")
def report_scores(report: tuple[list[Row], list[Row]]) -> PlainScores:
    found: PlainScores = defaultdict(dict)
    for row in report[1]:
        found[row["city_code"]][row["indicator_code"]] = float(row["value"])
    return dict(found)


def drawn(tree: Tree, count: int, seed: int) -> Worlds:
    return Worlds(draw_weights(tree, count, np.random.default_rng(seed)))


def test_ranks_of_the_report_are_those_of_a_plain_loop(report, report_scores: PlainScores) -> None:
    framework, observations = report
    tree = tree_of(framework)
    cities = list(report_scores)
    leaf_scores = scores_of(tree, cities, report_scores)
    worlds = drawn(tree, DRAWS, 11)
    nodes = [tree.codes[node] for node in tree.ranked]
    assert len(nodes) == 5
    found = worlds.scores(tree, leaf_scores)
    ranked = Ranked(tree, leaf_scores, worlds)
    assert ranked.by_products
    by_products = {tree.codes[node]: each.tolist() for node, each in ranked.ranks(slice(None))}
    for world in range(DRAWS):
        changed = plain_world(framework, worlds, tree, world)
        plain = plain_scores(changed, report_scores)
        if world < 2:
            full = recompute(changed, observations)
            assert all(
                full["2020", city, code].score == pytest.approx(plain[city][code], abs=1e-9)
                and full["2020", city, code].rank == rank
                for code in nodes
                for city, rank in zip(cities, plain_ranks(plain, code), strict=True)
            )
        for code in nodes:
            want = plain_ranks(plain, code)
            assert ranks(found[code][[world]])[0].tolist() == want, (world, code)
            assert by_products[code][world] == want, (world, code)


@pytest.fixture(scope="module")
def random_indices() -> list[tuple[list[Row], dict[tuple[str, str, str], Result]]]:
    """Frameworks of one edition, and all that the recomputation makes of their index."""
    rng = random.Random(20)
    made, cities = random_surroundings(rng, [f"c{number}" for number in range(12)])
    surroundings = Surroundings(made.statistics, made.cities)
    found = []
    for number in range(RANDOM_INDICES):
        rows: Rows = random_index(rng, f"random_{number}", cities)
        results = recompute(rows.frameworks, rows.observations, surroundings, rows.tiers)
        edition = rows.frameworks[-1]["edition"]
        found.append(([row for row in rows.frameworks if row["edition"] == edition], results))
    return found


def leaf_results(tree: Tree, results: dict[tuple[str, str, str], Result], edition: str) -> PlainScores:
    leaves = {tree.codes[leaf] for leaf in tree.leaves}
    found: PlainScores = defaultdict(dict)
    for (of, city, code), result in sorted(results.items()):
        if of == edition and code in leaves:
            found[city][code] = result.score
    return dict(found)


def random_worlds(tree: Tree, generator: np.random.Generator, count: int) -> Worlds:
    """Worlds that differ in everything, some with weights of 0."""
    shape = (count, len(tree))
    weights = draw_weights(tree, count, generator, 0.2, 3.0)
    weights = np.where(generator.random(shape) < 0.1, 0.0, weights)
    inner = tree.aggregations >= 0
    aggregations = np.where(inner, generator.integers(len(AGGREGATION_CODES), size=shape), -1)
    policies = np.where(inner, generator.integers(len(MISSING_POLICIES), size=shape), -1)
    own = generator.random((count, 1)) < 0.5
    return Worlds(
        weights,
        aggregations=np.where(own, tree.aggregations, aggregations),
        missing_policies=np.where(own, tree.missing_policies, policies),
    )


class PlainTreeWithZeros(PlainTree):
    """A plain tree in which a node may have weight 0: it is present or missing, and never counts."""

    def counted(self, code: str, scores: dict[str, float | None]) -> dict[str, float]:
        return {child: found for child, found in super().counted(code, scores).items() if self.weights[child] > 0}

    def _nominal_weight(self, code: str) -> float:
        return 0.0


def test_random_trees_give_what_a_plain_loop_gives(random_indices) -> None:
    seen: set[tuple[str, str, bool]] = set()
    for number, (framework, results) in enumerate(random_indices):
        tree = tree_of(framework)
        edition = framework[0]["edition"]
        leaves = leaf_results(tree, results, edition)
        leaf_scores = scores_of(tree, list(leaves), leaves)
        published = score(tree, leaf_scores)
        worlds = random_worlds(tree, np.random.default_rng(number), 6)
        found = worlds.scores(tree, leaf_scores)
        for node in tree.inner:
            code = tree.codes[node]
            want = [results[edition, city, code] for city in leaves]
            assert_scores(published[code][0], [each.score for each in want])
            assert ranks(published[code])[0].tolist() == [each.rank or 0 for each in want], (number, code)
        for world in range(len(worlds)):
            plain = plain_scores(plain_world(framework, worlds, tree, world), leaves, PlainTreeWithZeros)
            for node in tree.inner:
                code = tree.codes[node]
                assert_scores(found[code][world], [plain[city][code] for city in leaves])
                assert ranks(found[code])[world].tolist() == plain_ranks(plain, code), (number, world, code)
                choice = AGGREGATION_CODES[worlds.aggregations[world, node]]
                policy = MISSING_POLICIES[worlds.missing_policies[world, node]]
                seen |= {(choice, policy, is_missing) for is_missing in np.isnan(found[code][world]).tolist()}
    assert seen == {(a, p, m) for a in AGGREGATIONS for p in POLICIES for m in (True, False)}


def assert_scores(have: np.ndarray, want: list[float | None]) -> None:
    assert have.tolist() == pytest.approx(
        [np.nan if found is None else found for found in want], abs=1e-9, rel=1e-9, nan_ok=True
    )


def test_leaving_out_is_scoring_a_smaller_tree(random_indices) -> None:
    for number, (framework, results) in enumerate(random_indices):
        tree = tree_of(framework)
        leaves = leaf_results(tree, results, framework[0]["edition"])
        worlds = leave_one_out(tree)
        assert len(worlds) == len(tree) - 1
        found = worlds.scores(tree, scores_of(tree, list(leaves), leaves))
        for world, left_out in enumerate(tree.codes[1:]):
            rows = without(framework, left_out)
            left = {code for code, is_gone in zip(tree.codes, worlds.gone[world], strict=True) if not is_gone}
            assert left == ({row["indicator_code"] for row in rows} or {ROOT})
            if not rows:
                assert np.isnan(found[ROOT][world]).all()
                continue
            plain = plain_scores(rows, leaves)
            for row in rows:
                if row["indicator_code"] in found:
                    have = found[row["indicator_code"]][world]
                    assert_scores(have, [plain[city][row["indicator_code"]] for city in leaves])
            assert ranks(found[ROOT])[world].tolist() == plain_ranks(plain, ROOT), (number, left_out)


def without(framework: list[Row], code: str) -> list[Row]:
    """A framework without a node, what is below it, and parents left without children; empty where only the root is."""
    inner = {row["parent_code"] for row in framework}
    left = [row for row in framework if row["indicator_code"] != code]
    while True:
        codes, parents = {row["indicator_code"] for row in left}, {row["parent_code"] for row in left}
        kept = [
            row
            for row in left
            if (not row["parent_code"] or row["parent_code"] in codes)
            and (row["indicator_code"] not in inner or row["indicator_code"] in parents)
        ]
        if len(kept) == len(left):
            return kept
        left = kept


def test_each_world_takes_its_own_normalisation(random_indices) -> None:
    framework, results = random_indices[3]
    tree = tree_of(framework)
    leaves = leaf_results(tree, results, framework[0]["edition"])
    first = scores_of(tree, list(leaves), leaves)
    second = Scores(first.cities, first.values[:, ::-1])
    worlds = random_worlds(tree, np.random.default_rng(5), 40)
    chosen = np.arange(40) % 2
    both = Worlds(worlds.weights, worlds.aggregations, worlds.missing_policies, chosen)
    found = both.scores(tree, first.beside(second))
    for normalisation, alone in enumerate((first, second)):
        rows = chosen == normalisation
        for code, want in worlds.scores(tree, alone).items():
            assert np.array_equal(found[code][rows], want[rows], equal_nan=True)


# Trees and scores


def test_a_tree_that_is_none_is_refused() -> None:
    rows = [
        {"indicator_code": code, "parent_code": parent, "level": level, "weight": 1.0}
        for level, (code, parent) in enumerate([(ROOT, None), ("p", ROOT), ("s", "p"), ("t", "s")])
    ]
    assert Tree.of(reversed(rows)).codes == (ROOT, "p", "s", "t")
    for changes, message in (
        ({3: {"parent_code": "p"}}, "level"),
        ({3: {"parent_code": "nobody"}}, "parent"),
        ({1: {"parent_code": None}}, "one root"),
        ({3: {"weight": -1.0}}, "weight"),
        ({3: {"weight": float("nan")}}, "weight"),
        ({3: {"indicator_code": "s"}}, "twice"),
    ):
        with pytest.raises(ValueError, match=message):
            Tree.of({**row, **changes.get(number, {})} for number, row in enumerate(rows))
    with pytest.raises(ValueError, match="leaves stand at level 3"):
        Tree.of(rows[:3])
    with pytest.raises(ValueError, match="not in"):
        Tree.of([{**rows[0], "aggregation": "median"}, *rows[1:]])


def test_lifted_scores_keep_arithmetic_rankings_and_give_geometric_means_to_the_lowest() -> None:
    tree = made_tree((3, 2), (4,))
    leaf_scores = leaf_scores_of(tree, np.random.default_rng(2).integers(0, 6, (30, 9)) * 20.0)
    lifted = leaf_scores.lifted()
    assert lifted.values.min() == 1 and lifted.values.max() == 100
    worlds = drawn(tree, 50, 3)
    for code, found in worlds.scores(tree, lifted).items():
        assert (ranks(found) == ranks(worlds.scores(tree, leaf_scores)[code])).all()
    geometric = np.where(tree.aggregations >= 0, 1, -1)[None]
    assert np.isnan(score(tree, leaf_scores, aggregations=geometric)[ROOT]).any()
    assert not np.isnan(score(tree, lifted, aggregations=geometric)[ROOT]).any()
    gaps = np.where(np.random.default_rng(4).random((1, 30, 9)) < 0.2, np.nan, leaf_scores.values)
    with_gaps = Scores(leaf_scores.cities, gaps)
    for policy in range(len(MISSING_POLICIES)):
        policies = np.where(tree.aggregations >= 0, policy, -1)[None].repeat(50, axis=0)
        each = Worlds(worlds.weights, missing_policies=policies)
        for code, found in each.scores(tree, with_gaps.lifted()).items():
            assert np.allclose(found, 1 + 0.99 * each.scores(tree, with_gaps)[code], atol=1e-9, equal_nan=True)
    with pytest.raises(ValueError, match="finite"):
        leaf_scores_of(tree, np.full((2, 9), np.inf))
    with pytest.raises(ValueError, match="upper end"):
        leaf_scores.lifted(10.0, 10.0)
    with pytest.raises(ValueError, match="lifted"):
        leaf_scores.beside(lifted)


# Ranks


@FEW
@given(st.lists(st.lists(st.sampled_from([1.0, 2.0, 2.0 + 4e-10, -3.0, np.nan, 1e13]), min_size=7, max_size=7)))
def test_ranks_count_the_better_cities(rows: list[list[float]]) -> None:
    scores = np.array(rows).reshape(-1, 7)
    found = ranks(scores)
    for row, have in zip(scores, found, strict=True):
        assert have.tolist() == [
            0 if np.isnan(own) else 1 + sum(round(other, 9) > round(own, 9) for other in row if not np.isnan(other))
            for own in row
        ]


def test_large_scores_are_ranked_as_small_ones() -> None:
    scores = np.random.default_rng(8).integers(0, 9, (40, 30)) * 1.0
    scores[scores == 8] = np.nan
    assert (ranks(scores) == ranks(scores * 2.0**50)).all()


def test_a_matrix_product_is_settled_where_its_last_bits_would_decide() -> None:
    """Each score comes twice, from other sums, and is so large that these differ in the ninth decimal."""
    generator = np.random.default_rng(4)
    values = generator.random((30, 100)) * 2e4
    leaf_scores = np.concatenate([values, values[::-1]], axis=1)
    effective = generator.random((15, 90))
    effective = np.concatenate([effective, effective[::-1]])
    effective /= effective.sum(axis=0)

    def ranks_of(worlds: slice, is_settled: bool = True) -> list[list[int]]:
        keys, unsettled = effective_keys(leaf_scores, effective[:, worlds].copy())
        return ranking.places(keys, unsettled=unsettled if is_settled else None).ranks_of_columns().tolist()

    want = ranks_of(slice(None))
    assert ranks_of(slice(None), is_settled=False) != want
    assert [row for world in range(90) for row in ranks_of(slice(world, world + 1))] == want
    assert [row for start in (0, 37) for row in ranks_of(slice(start, 37 + 53 * start))] == want
    keys, unsettled = effective_keys(leaf_scores, effective)
    in_order = np.zeros(keys.shape)
    for leaf, weights in enumerate(effective):
        in_order += weights[:, None] * (leaf_scores[leaf] * 1e9)
    assert (unsettled.settled(np.arange(90)) == np.rint(in_order)).all()
    assert np.abs(keys - in_order).max() < unsettled.margin / 2 + 0.5


def test_columns_that_stand_for_several_cities_rank_as_these_do() -> None:
    generator = np.random.default_rng(5)
    keys = generator.integers(0, 12, (50, 9)) * 1.0
    sizes = generator.integers(1, 4, 9)
    found = ranking.places(keys, sizes).ranks_of_columns()
    assert (np.repeat(found, sizes, axis=1) == ranks(np.repeat(keys, sizes, axis=1))).all()


# What is known of the worlds


def test_equal_factors_give_the_published_ranks(report, report_scores: PlainScores) -> None:
    framework, _observations = report
    tree = tree_of(framework)
    leaf_scores = scores_of(tree, list(report_scores), report_scores)
    published = published_ranks(tree, leaf_scores)
    worlds = Worlds(draw_weights(tree, 20, np.random.default_rng(1), 1.1, 1.1))
    best = published[ROOT]
    for code, found in rank_summary(tree, leaf_scores, worlds, published, (best, best)).items():
        for name in ("rank_p05", "rank_p50", "rank_p95"):
            assert (getattr(found, name) == published[code]).all()
        assert (found.world_count == 20).all()
        assert (found.share_top_10 == (published[code] <= 10)).all()
        if code == ROOT:
            assert (found.share_own_tier == 1).all()
        else:
            assert np.isnan(found.share_own_tier).all()


def test_draws_multiply_every_weight_and_add_up() -> None:
    tree = made_tree((3, 2), (4,), (1, 1, 1))
    weights = draw_weights(tree, 1000, np.random.default_rng(1))
    assert weights.shape == (1000, len(tree)) and (weights[:, 0] == 1).all()
    for node in tree.inner:
        children = list(tree.children[node])
        assert np.allclose(weights[:, children].sum(axis=1), 1, atol=1e-12)
        own = tree.weights[children] / tree.weights[children].sum()
        factors = weights[:, children] / own
        factors /= factors.mean(axis=1, keepdims=True)
        assert (factors.max(axis=1) / factors.min(axis=1) <= 1.25 / 0.75 + 1e-12).all()
        if len(children) > 1:
            assert factors.std() > 0.05
    with pytest.raises(ValueError, match="factors"):
        draw_weights(tree, 1, np.random.default_rng(1), 1.0, 0.5)


def test_drawn_methods_take_every_choice_alike_often() -> None:
    tree = made_tree((3, 2), (4,))
    worlds = draw_methods(tree, 3000, np.random.default_rng(1), normalisation_count=3)
    assert (worlds.weights == draw_weights(tree, 3000, np.random.default_rng(1))).all()
    assert np.bincount(worlds.normalisations) == pytest.approx([1000] * 3, abs=120)
    inner = worlds.aggregations[:, tree.inner]
    assert set(np.unique(inner)) == {0, 1}
    assert inner.mean(axis=0) == pytest.approx([0.5] * len(tree.inner), abs=0.05)
    assert np.abs(np.corrcoef(inner.T) - np.eye(len(tree.inner))).max() < 0.1
    assert (worlds.aggregations[:, tree.leaves] == -1).all()


def test_a_dominated_city_never_overtakes(report, report_scores: PlainScores) -> None:
    tree = tree_of(report[0])
    generator = np.random.default_rng(6)
    better = generator.integers(0, 6, (40, 50)) * 20.0
    worse = np.maximum(better - (generator.random((40, 50)) < 0.05) * 20.0, 0)
    leaf_scores = leaf_scores_of(tree, np.concatenate([better, worse]))
    for worlds in (drawn(tree, 500, 2), leave_one_out(tree)):
        for found in worlds.scores(tree, leaf_scores).values():
            assert (found[:, :40] >= found[:, 40:])[~np.isnan(found[:, :40])].all()
        for _node, found in Ranked(tree, leaf_scores, worlds).ranks(slice(None)):
            assert (found[:, :40] <= found[:, 40:]).all()


def test_tied_cities_have_the_same_intervals() -> None:
    tree = made_tree((3, 2), (4,))
    values = np.random.default_rng(3).integers(0, 6, (23, 9)) * 20.0
    leaf_scores = leaf_scores_of(tree, np.concatenate([values, values]))
    for worlds, scores in (
        (drawn(tree, 400, 1), leaf_scores),
        (leave_one_out(tree), leaf_scores),
        (draw_methods(tree, 400, np.random.default_rng(1)), leaf_scores.lifted()),
    ):
        for found in summary_of(tree, scores, worlds).values():
            for name in ("rank_p05", "rank_p50", "rank_p95", "share_top_10", "world_count"):
                assert (getattr(found, name)[:23] == getattr(found, name)[23:]).all()
            after = found.next_city[:23] == np.arange(23, 46)
            assert after.sum() > 15
            assert (found.share_above_next[:23][after] == 0.5).all()


def test_one_city_and_a_city_without_scores() -> None:
    tree = made_tree((3, 2), (4,))
    alone = summary_of(tree, leaf_scores_of(tree, np.full((1, 9), 7.0)), drawn(tree, 10, 1))[ROOT]
    assert alone.rank_p05 == alone.rank_p95 == alone.share_top_10 == 1
    assert np.isnan(alone.share_above_next).all() and alone.next_city == [-1]
    values = np.random.default_rng(3).random((5, 9))
    values[2] = np.nan
    for worlds in (drawn(tree, 10, 1), leave_one_out(tree)):
        found = summary_of(tree, leaf_scores_of(tree, values), worlds)[ROOT]
        for name, array in vars(found).items():
            assert array[2] == -1 if name == "next_city" else np.isnan(array[2])
        assert np.nanmax(found.rank_p95) <= 4
        assert not np.isnan(np.delete(found.world_count, 2)).any()
    everything = summary_of(tree, leaf_scores_of(tree, values * np.nan), drawn(tree, 10, 1))[ROOT]
    assert np.isnan(everything.world_count).all() and np.isnan(everything.rank_p50).all()


def test_a_city_without_a_rank_in_some_worlds_is_summed_up_over_the_others() -> None:
    """Without p0 the first city has nothing left; the others are ranked in all worlds."""
    tree = made_tree((2,), (2,), min_coverage="0.5")
    values = np.array([[90.0, 90, np.nan, np.nan], [80, 80, 80, 80], [70, 70, 95, 95]])
    worlds = leave_one_out(tree)
    found = summary_of(tree, leaf_scores_of(tree, values), worlds)[ROOT]
    is_without = worlds.gone[:, tree.codes.index("p0")]
    assert is_without.sum() == 2
    assert found.world_count.tolist() == [len(worlds) - 2, len(worlds), len(worlds)]
    assert found.next_city.tolist() == [2, -1, 1]
    assert (
        found.rank_p95[0]
        == 1 + (~is_without & (worlds.scores(tree, leaf_scores_of(tree, values))[ROOT][:, 2] > 90)).any()
    )


def test_pairs_follow_the_published_ranking() -> None:
    assert next_cities(np.array([3, 1, 0, 1, 4])).tolist() == [4, 3, -1, 0, -1]
    tree = made_tree((3, 2), (4,))
    leaf_scores = leaf_scores_of(tree, np.random.default_rng(3).integers(0, 6, (30, 9)) * 20.0)
    published = published_ranks(tree, leaf_scores)
    worlds = drawn(tree, 300, 1)
    for code, summary in summary_of(tree, leaf_scores, worlds).items():
        upper_cities = np.flatnonzero(summary.next_city >= 0)
        upper_cities = upper_cities[np.argsort(published[code][upper_cities], kind="stable")]
        lower_cities = summary.next_city[upper_cities]
        assert len(upper_cities) == 29
        assert (np.diff(published[code][upper_cities]) >= 0).all()
        assert (upper_cities[1:] == lower_cities[:-1]).all()
        keys = ranking.comparable(worlds.scores(tree, leaf_scores)[code])
        upper, lower = keys[:, upper_cities], keys[:, lower_cities]
        assert summary.share_above_next[upper_cities] == pytest.approx(
            (upper > lower).mean(axis=0) + (upper == lower).mean(axis=0) / 2
        )


# Batches and seeds


def scenarios(tree: Tree, leaf_scores: Scores, seed: int, count: int) -> list[tuple[Worlds, Scores]]:
    other = Scores(leaf_scores.cities, 100.0 * (leaf_scores.values / 100) ** 2)
    return [
        (drawn(tree, count, seed), leaf_scores),
        (
            draw_methods(tree, count, np.random.default_rng(seed), normalisation_count=2),
            leaf_scores.beside(other).lifted(),
        ),
        (leave_one_out(tree), leaf_scores),
    ]


@pytest.mark.parametrize("gap_share", [0.0, 0.2])
def test_results_depend_on_the_seed_and_on_no_batch(monkeypatch: pytest.MonkeyPatch, gap_share: float) -> None:
    tree = made_tree((3, 2), (4,), min_coverage="0.5")
    generator = np.random.default_rng(12)
    values = np.where(generator.random((37, 9)) < gap_share, np.nan, generator.random((37, 9)) * 100)
    leaf_scores = leaf_scores_of(tree, values)
    published = published_ranks(tree, leaf_scores)
    tiers = (np.where(published[ROOT] <= 12, 1, 13), np.where(published[ROOT] <= 12, 12, 37))

    def summaries(seed: int, batch_cells: int, threads: int = 1) -> list[dict[str, RankSummary]]:
        return [
            rank_summary(tree, scores, worlds, published, tiers, batch_cells=batch_cells, threads=threads)
            for worlds, scores in scenarios(tree, leaf_scores, seed, 501)
        ]

    want = summaries(1, 2**21)
    for batch_cells, threads in ((1, 1), (37 * 8, 3), (37 * 111, 2)):
        for have, expected in zip(summaries(1, batch_cells, threads), want, strict=True):
            assert_same(have, expected)
    monkeypatch.setattr(gathering, "MOST_COUNTED_CITIES", 0)
    monkeypatch.setattr(gathering, "BLOCK_CELLS", 501 * 5)
    for have, expected in zip(summaries(1, 37 * 111, 2), want, strict=True):
        assert_same(have, expected)
    for have, expected in zip(summaries(2, 2**21)[:2], want[:2], strict=True):
        assert (have[ROOT].share_above_next != expected[ROOT].share_above_next).any()


# Sensitivity


def ishigami(points: np.ndarray) -> np.ndarray:
    """Ishigami and Homma (1990), with a = 7 and b = 0.1, on -pi..pi."""
    x = np.pi * (2 * points - 1)
    return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def ishigami_indices() -> tuple[np.ndarray, np.ndarray]:
    alone = np.array([(1 + 0.1 * np.pi**4 / 5) ** 2 / 2, 7**2 / 8, 0.0])
    together = 0.1**2 * np.pi**8 * (1 / 18 - 1 / 50)
    variance = alone.sum() + together
    return alone / variance, (alone + np.array([together, 0, together])) / variance


def assert_inside(found: Sensitivity, first_order: np.ndarray, total_effect: np.ndarray) -> None:
    assert ((found.first_order_low <= first_order) & (first_order <= found.first_order_high)).all()
    assert ((found.total_effect_low <= total_effect) & (total_effect <= found.total_effect_high)).all()
    assert found.first_order == pytest.approx(first_order, abs=0.02)
    assert found.total_effect == pytest.approx(total_effect, abs=0.02)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_known_indices_lie_inside_the_intervals(seed: int) -> None:
    found = converged_indices(ishigami, ["x1", "x2", "x3"], seed, most=2**14)
    assert found.is_converged and found.half_width <= 0.05
    assert found.evaluation_count == 5 * found.base_count
    assert_inside(found, *ishigami_indices())
    slopes = np.array([1.0, 2.0, 3.0, 0.0])
    shares = slopes**2 / (slopes**2).sum()
    found = converged_indices(lambda points: 5 + points @ slopes, list("abcd"), seed, 0.03, most=2**14)
    assert found.is_converged
    assert_inside(found, shares, shares)
    assert found.variance == pytest.approx((slopes**2).sum() / 12, rel=0.01)
    assert found.mean == pytest.approx(8, rel=0.01)


def test_rows_are_added_until_the_intervals_are_narrow() -> None:
    seen: list[int] = []

    def model(points: np.ndarray) -> np.ndarray:
        seen.append(len(points))
        return ishigami(points)

    found = converged_indices(model, ["x1", "x2", "x3"], 1, 0.0, least=64, most=300)
    assert not found.is_converged and found.base_count == 256
    assert seen == [5 * 64, 5 * 64, 5 * 128]
    design = saltelli_design(3, 256, 1)
    y_a, y_b = ishigami(design.a), ishigami(design.b)
    y_ab = np.array([ishigami(points) for points in design.ab])
    first, total = indices(y_a, y_b, y_ab)
    assert np.array_equal(first, found.first_order) and np.array_equal(total, found.total_effect)
    centre = np.concatenate([y_a, y_b]).mean()
    variance = np.concatenate([y_a, y_b]).var()
    for factor in range(3):
        assert first[factor] == pytest.approx(np.mean((y_b - centre) * (y_ab[factor] - y_a)) / variance)
        assert total[factor] == pytest.approx(np.mean((y_a - y_ab[factor]) ** 2) / (2 * variance))
    assert np.array_equal(saltelli_design(3, 64, 1).ab, design.part(slice(64)).ab)
    assert (saltelli_design(3, 64, 2).a != design.a[:64]).any()
    with pytest.raises(ValueError, match="power of two"):
        saltelli_design(3, 100, 1)


def test_what_does_not_vary_has_no_sensitivity() -> None:
    found = converged_indices(lambda points: np.full(len(points), 0.1), ["a", "b"], 1)
    assert found.base_count == 512 and found.is_converged and found.variance < 1e-30
    for name in ("first_order", "first_order_low", "first_order_high", "total_effect", "total_effect_high"):
        assert (getattr(found, name) == 0).all()
    assert converged_indices(lambda points: np.zeros(len(points)), [], 1).is_converged


def index_model(seed: int = 1, gap_share: float = 0.1, normalisations: int = 2, **options) -> IndexModel:
    tree = made_tree((3, 2), (4,), (1,))
    generator = np.random.default_rng(12)
    values = np.where(generator.random((31, 10)) < gap_share, np.nan, generator.random((31, 10)) * 100)
    leaf_scores = leaf_scores_of(tree, values)
    published = published_ranks(tree, leaf_scores)[ROOT]
    others = [Scores(leaf_scores.cities, 100 * (leaf_scores.values / 100) ** 3)] * (normalisations - 1)
    return IndexModel(tree, leaf_scores.beside(*others).lifted(), published, seed, **options)


def test_identical_alternatives_give_no_sensitivity() -> None:
    model = index_model(low=1.0, high=1.0, normalisations=1, gap_share=0.0, has_aggregation=False)
    assert model.factors == () and len(model.left_out) == 6
    assert (model(np.empty((5, 0))) == 0).all()
    one = index_model(low=1.0, high=1.0, gap_share=0.0, has_aggregation=False)
    assert one.factors == ("normalisation",)
    found = converged_indices(one, one.factors, 1)
    assert found.first_order == pytest.approx(1, abs=0.01) and found.total_effect == pytest.approx(1, abs=0.01)
    same = index_model(low=1.0, high=1.0, gap_share=0.0, has_aggregation=False)
    same.leaf_scores = Scores(same.leaf_scores.cities, same.leaf_scores.values[[0, 0]], 1.0)
    found = converged_indices(same, same.factors, 1)
    assert (found.first_order == 0).all() and (found.total_effect == 0).all() and found.variance == 0


def test_each_factor_of_an_index_changes_what_it_says() -> None:
    model = index_model()
    assert model.factors == ("weights:p0", "weights:p1", "weights:p2", "normalisation", "aggregation", "missing_policy")
    low, high = model.worlds(np.zeros((1, 6))), model.worlds(np.ones((1, 6)))
    codes, inner = model.tree.codes, list(model.tree.inner)
    assert (low.aggregations[:, inner] == 0).all() and (high.aggregations[:, inner] == 1).all()
    assert (low.missing_policies[:, inner] == 0).all() and (high.missing_policies[:, inner] == 1).all()
    assert low.normalisations == [0] and high.normalisations == [1]
    points = np.zeros((2, 6))
    points[1, 0] = 0.999
    first, second = model.worlds(points).weights
    changed = {code for code, is_other in zip(codes, first != second, strict=True) if is_other}
    assert changed == {"p0", "p1", "p2", *(code for code in codes if code.startswith("p0s"))}
    found = converged_indices(model, model.factors, 3, least=256, most=1024)
    assert (found.total_effect > 0).all()
    smaller = index_model(batch_cells=31 * 37)
    assert_sensitivities_same(converged_indices(smaller, smaller.factors, 3, least=256, most=1024), found)
    other = index_model(seed=2)
    assert (other.multipliers != model.multipliers).all()


def assert_sensitivities_same(have: Sensitivity, want: Sensitivity) -> None:
    for name, found in vars(want).items():
        assert np.array_equal(getattr(have, name), found), name


def test_the_mean_rank_shift_is_over_cities_that_both_rank() -> None:
    shifts = mean_rank_shift(np.array([[1, 2, 0, 3], [3, 0, 2, 1], [0, 0, 4, 0]]), np.array([2, 1, 0, 3]))
    assert shifts.tolist() == [2 / 3, 1.5, 0.0]


_PRINT_RANKS = """
import hashlib
import numpy as np
from benchmarks.draws_over_numpy import report_scores, report_tree
from city_index.worlds.draws import Worlds, draw_weights, published_ranks, rank_summary
tree = report_tree()
scores = report_scores(tree)
worlds = Worlds(draw_weights(tree, 3000, np.random.default_rng(7)))
found = rank_summary(tree, scores, worlds, published_ranks(tree, scores))
arrays = [array.tobytes() for code in sorted(found) for array in vars(found[code]).values()]
print(hashlib.sha256(b"".join(arrays)).hexdigest())
"""


def test_ranks_do_not_depend_on_the_threads_of_linear_algebra() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", _PRINT_RANKS],
            cwd=PROJECT_DIRECTORY,
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "5")
    }
    assert len(said) == 1 and len(said.pop()) == 65


# Properties


@FEW
@given(st.integers(0, 2**32), st.integers(1, 25), st.sampled_from([0.0, 0.3]), st.integers(1, 60))
def test_summaries_are_in_order(seed: int, city_count: int, gap_share: float, world_count: int) -> None:
    generator = np.random.default_rng(seed)
    tree = made_tree((3, 1), (2,), min_coverage="0.5")
    values = generator.integers(0, 5, (city_count, 6)) * 25.0
    leaf_scores = leaf_scores_of(tree, np.where(generator.random(values.shape) < gap_share, np.nan, values))
    published = published_ranks(tree, leaf_scores)
    best = np.where(published[ROOT] > 0, 1, 0)
    worst = np.where(published[ROOT] > 0, generator.integers(1, city_count + 1, city_count), 0)
    for worlds, scores in scenarios(tree, leaf_scores, seed, world_count):
        for code, found in rank_summary(tree, scores, worlds, published, (best, worst)).items():
            is_ranked = published[code] > 0
            assert (np.isnan(found.world_count) == ~is_ranked).all()
            assert (found.world_count[is_ranked] <= len(worlds)).all()
            has_worlds = found.world_count > 0
            assert (found.rank_p05 <= found.rank_p50)[has_worlds].all()
            assert (found.rank_p50 <= found.rank_p95)[has_worlds].all()
            assert (found.rank_p05[has_worlds] >= 1).all() and (found.rank_p95[has_worlds] <= city_count).all()
            for share in (found.share_top_10, found.share_own_tier, found.share_above_next):
                told = share[~np.isnan(share)]
                assert ((told >= 0) & (told <= 1)).all()
            if code == ROOT:
                # Cities without a published rank compete in no world.
                competing = np.where(is_ranked, worlds.scores(tree, scores)[ROOT], np.nan)
                by_hand = [
                    np.mean(each[each > 0] <= limit) if is_there else np.nan
                    for each, limit, is_there in zip(ranks(competing).T, worst, has_worlds, strict=True)
                ]
                assert found.share_own_tier.tolist() == pytest.approx(by_hand, nan_ok=True)


@FEW
@given(st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_percentiles_are_nearest_ranks(found: list[int]) -> None:
    counts = np.bincount(found, minlength=7)[None]
    present = sorted(rank for rank in found if rank)
    have = gathering.of_counts(counts, None)
    for name, share in (("rank_p05", 5), ("rank_p50", 50), ("rank_p95", 95)):
        if present:
            assert have[name] == [present[-(-share * len(present) // 100) - 1]]
        else:
            assert np.isnan(have[name]).all()


def test_no_rank_exceeds_the_number_of_published_ones() -> None:
    """A city without a published rank competes in no world, even where leaving a node out would give it a score."""
    from city_index.worlds.editions import EditionScores, rank_rows

    rows = [
        ("", "total", 0, 1.0),
        ("total", "p", 1, 1.0),
        ("p", "s", 2, 1.0),
        ("p", "t", 2, 1.0),
        ("s", "a", 3, 1.0),
        ("t", "b", 3, 1.0),
    ]
    tree = Tree.of(
        {"parent_code": parent, "indicator_code": code, "level": level, "weight": weight, "missing_policy": "fail"}
        for parent, code, level, weight in rows
    )
    values = np.array([[[1.0, 5.0], [2.0, np.nan], [3.0, 1.0], [np.nan, 9.0]]])
    scores = Scores(("c1", "c2", "c3", "c4"), values)
    published = published_ranks(tree, scores)
    assert list(published["total"]) == [1, 0, 2, 0]
    tiers = (np.zeros(4, np.int64), np.zeros(4, np.int64))
    edition = EditionScores(("x", "1"), 1, tree, scores, scores.lifted(0, 10), published, tiers)
    found = list(rank_rows(edition, 50))
    assert {row["city_code"] for row in found} == {"c1", "c3"}
    assert max(row["rank_p95"] for row in found) == 2
