"""Worlds of an index, and what the ranks of its cities come to in them.

What belongs here: drawing weights and methods, leaving nodes out, and gathering ranks over worlds. What does not: the
formula (``tree``), ranking (``ranking``), and which scenarios a release publishes.

Everything random is drawn at once, in the canonical order of the nodes, before worlds are batched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from city_index.worlds.ranking import comparable, places, ranks
from city_index.worlds.tree import (
    ARITHMETIC,
    GEOMETRIC,
    Scores,
    Tree,
    effective_keys,
    effective_weights,
    is_effective,
    score,
    shares_of,
)

# A batch of worlds has about this many scores of a node, so that it stays in the processor's caches.
BATCH_CELLS = 2**18

# With more cities than these, a table of how often each has each rank is larger than the ranks themselves.
_MOST_COUNTED_CITIES = 500
_BLOCK_CELLS = 2**20

TOP = 10
_PERCENTILES = {"rank_p05": 5, "rank_p50": 50, "rank_p95": 95}


@dataclass(frozen=True)
class Worlds:
    """How an index is made in each of many worlds.

    Attributes:
        weights: worlds x nodes, relative among siblings.
        aggregations: worlds x nodes; None where the tree's own hold.
        missing_policies: worlds x nodes; None where the tree's own hold.
        normalisations: the number of each world's normalisation; None where there is one.
        gone: worlds x nodes, which are left out; None where none is.
    """

    weights: np.ndarray
    aggregations: np.ndarray | None = None
    missing_policies: np.ndarray | None = None
    normalisations: np.ndarray | None = None
    gone: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.weights)

    def part(self, rows: slice) -> Worlds:
        """Some of the worlds."""
        arrays = {each.name: getattr(self, each.name) for each in fields(self)}
        return Worlds(**{name: None if array is None else array[rows] for name, array in arrays.items()})

    def scores(self, tree: Tree, leaf_scores: Scores) -> dict[str, np.ndarray]:
        """The scores of every inner node (worlds x cities) by its code."""
        return score(tree, leaf_scores, **{each.name: getattr(self, each.name) for each in fields(self)})


def draw_weights(
    tree: Tree, count: int, generator: np.random.Generator, low: float = 0.75, high: float = 1.25
) -> np.ndarray:
    """Weights of which each is multiplied by a factor of its own, uniform in low..high, and rescaled within its parent.

    Args:
        tree: the index.
        count: of worlds.
        generator: of the draws.
        low: the least factor, not below 0.
        high: the greatest.

    Returns:
        worlds x nodes; siblings add up to 1, the root has 1.
    """
    if not 0 <= low <= high:
        raise ValueError("factors are not below 0, and the least is not above the greatest")
    # Node by node, as they are read.
    weights = np.ascontiguousarray(generator.uniform(low, high, (count, len(tree))).T)
    weights *= tree.weights[:, None]
    weights[0] = 1.0
    for node in tree.inner:
        children = list(tree.children[node])
        weights[children] = shares_of(weights[children])
    return weights.T


def draw_methods(
    tree: Tree,
    count: int,
    generator: np.random.Generator,
    normalisation_count: int = 1,
    low: float = 0.75,
    high: float = 1.25,
) -> Worlds:
    """Weights as of ``draw_weights``, and the normalisation and the means drawn too.

    Each world takes one of the normalisations for all leaves, and each inner node the arithmetic or the geometric mean,
    all alike probable and independent. The same generator gives the same weights as ``draw_weights`` alone.

    The leaf scores that such worlds are scored with must be lifted (``Scores.lifted``): mapped linearly from the leaf's
    scale onto 1..100, in the worlds with arithmetic means too, so that the geometric mean of a lowest score is defined.
    An affine map common to all leaves changes no ranking under arithmetic means.
    """
    weights = draw_weights(tree, count, generator, low, high)
    normalisations = generator.integers(normalisation_count, size=count)
    aggregations = np.tile(tree.aggregations, (count, 1))
    aggregations[:, tree.inner] = generator.choice(np.array([ARITHMETIC, GEOMETRIC], np.int8), (count, len(tree.inner)))
    return Worlds(weights, aggregations=aggregations, normalisations=normalisations)


def leave_one_out(tree: Tree) -> Worlds:
    """One world without each node below the root, in canonical order.

    What is below a node goes with it, and so does a parent that would have no child left. The weights of what goes are
    0, and those of the others are rescaled. Where nothing is left but the root, no city has a score.
    """
    nodes = range(1, len(tree))
    gone = np.zeros((len(nodes), len(tree)), bool)
    for world, node in enumerate(nodes):
        gone[world, [node, *tree.below(node)]] = True
        for parent in reversed(tree.inner[1:]):
            gone[world, parent] |= gone[world, list(tree.children[parent])].all()
    weights = np.where(gone, 0.0, tree.weights)
    for node in tree.inner:
        children = list(tree.children[node])
        weights[:, children] = shares_of(weights[:, children].T).T
    return Worlds(weights, gone=gone)


def published_ranks(tree: Tree, leaf_scores: Scores) -> dict[str, np.ndarray]:
    """The ranks by the tree's own weights and methods, of the root and the primaries; 0 where a city has none."""
    found = score(tree, leaf_scores)
    return {tree.codes[node]: ranks(found[tree.codes[node]])[0] for node in tree.ranked}


def next_cities(published: np.ndarray) -> np.ndarray:
    """The number of the city that follows each one in a ranking; -1 of the last one and of those without a rank.

    Args:
        published: the rank of each city, 0 where it has none. Tied cities follow each other in their own order.
    """
    ranked = np.flatnonzero(published > 0)
    order = ranked[np.argsort(published[ranked], kind="stable")]
    found = np.full(len(published), -1)
    found[order[:-1]] = order[1:]
    return found


@dataclass(frozen=True)
class RankSummary:
    """What the ranks in one node come to; arrays by city, nan of cities that are not in the published ranking.

    Attributes:
        world_count: in how many worlds the city has a rank.
        rank_p05: the smallest rank that at least 5 % of these worlds do not exceed (nearest rank); nan where there are
            none, as are those below.
        rank_p50: the same for 50 %.
        rank_p95: the same for 95 %.
        share_top_10: the share of these worlds in which its rank is 10 or better.
        share_own_tier: the share in which its rank is among those that its tier spans in the published ranking.
        share_above_next: the share of the worlds in which both have a rank where it scores higher than the next city of
            the published ranking, ties counting half; nan where there is no next one.
        next_city: the number of that city, -1 where there is none.
    """

    world_count: np.ndarray
    rank_p05: np.ndarray
    rank_p50: np.ndarray
    rank_p95: np.ndarray
    share_top_10: np.ndarray
    share_own_tier: np.ndarray
    share_above_next: np.ndarray
    next_city: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Pairs of cities next to each other in a published ranking, best first.

    Attributes:
        upper: the number of the upper city.
        lower: that of the lower one.
        share_in_order: the share of worlds in which the upper one scores higher, ties counting half.
    """

    upper: np.ndarray
    lower: np.ndarray
    share_in_order: np.ndarray


def rank_summary(
    tree: Tree,
    leaf_scores: Scores,
    worlds: Worlds,
    published: Mapping[str, np.ndarray],
    tiers: tuple[np.ndarray, np.ndarray] | None = None,
    next_city: Mapping[str, np.ndarray] | None = None,
    batch_cells: int = BATCH_CELLS,
) -> dict[str, RankSummary]:
    """The ranks of all cities over all worlds, of the root and of every primary.

    Args:
        tree: the index.
        leaf_scores: of its leaves; lifted where the worlds come from ``draw_methods``.
        worlds: to be scored.
        published: by the code of each of these nodes the published rank of each city, 0 where it has none.
        tiers: for each city the best and the worst rank that its tier spans in the published ranking of the root, nan
            or 0 where it has none.
        next_city: by code the number of the city that follows each in the published ranking, -1 where none does; that
            of ``next_cities`` by default.
        batch_cells: about how many scores of a node are held at a time; changes no result.
    """
    gathered = {}
    for node in tree.ranked:
        code = tree.codes[node]
        follows = next_cities(published[code]) if next_city is None else next_city[code]
        gathered[node] = _Gathered(len(worlds), published[code], follows)
    for start, keys_by_node in keys_in_batches(tree, leaf_scores, worlds, batch_cells):
        for node, keys in keys_by_node:
            gathered[node].add(start, keys)
    return {tree.codes[node]: each.summary(tiers if node == 0 else None) for node, each in gathered.items()}


def pairs(summary: RankSummary, published: np.ndarray) -> Pairs:
    """The pairs of a node's published ranking and how sure their order is.

    Args:
        summary: of the node.
        published: the published rank of each city there, 0 where it has none.
    """
    upper = np.flatnonzero(summary.next_city >= 0)
    upper = upper[np.argsort(published[upper], kind="stable")]
    return Pairs(upper, summary.next_city[upper], summary.share_above_next[upper])


def keys_in_batches(
    tree: Tree, leaf_scores: Scores, worlds: Worlds, batch_cells: int = BATCH_CELLS, nodes: Sequence[int] | None = None
) -> Iterator[tuple[int, Iterator[tuple[int, np.ndarray]]]]:
    """The comparable scores of some nodes, a batch of worlds at a time.

    Args:
        tree: the index.
        leaf_scores: of its leaves.
        worlds: to be scored.
        batch_cells: about how many scores of a node are held at a time; changes no result.
        nodes: their numbers, among those that are ranked; all of these by default.

    Returns:
        for each batch the number of its first world, and by node the comparable scores (worlds x cities).
    """
    nodes = tree.ranked if nodes is None else nodes
    step = max(batch_cells // max(len(leaf_scores.cities), 1), 1)
    # One way for all batches: which one it is never depends on the batch.
    by_products = (
        worlds.aggregations is None and worlds.gone is None and is_effective(tree, leaf_scores, worlds.weights)
    )
    columns = {leaf: column for column, leaf in enumerate(tree.leaves)}
    values = {
        node: np.ascontiguousarray(
            leaf_scores.values[0][:, [columns[leaf] for leaf in tree.below(node) if leaf in columns]].T
        )
        for node in nodes
    }
    effective = effective_weights(tree, worlds.weights) if by_products else {}
    for start in range(0, len(worlds), step):
        rows = slice(start, start + step)
        if by_products:
            yield start, ((node, effective_keys(values[node], effective[node][:, rows])) for node in nodes)
        else:
            scores = worlds.part(rows).scores(tree, leaf_scores)
            yield start, ((node, comparable(scores[tree.codes[node]])) for node in nodes)


class _Gathered:
    """What is kept of one node's ranks, batch by batch.

    Of few cities it is how often each has each rank. Of many it is the ranks, in the smallest numbers that hold them,
    which are counted at the end for a block of cities at a time.
    """

    def __init__(self, world_count: int, published: np.ndarray, next_city: np.ndarray) -> None:
        self.published = np.asarray(published)
        self.next_city = np.asarray(next_city)
        self.city_count = len(self.published)
        self.has_next = self.next_city >= 0
        # A city without a next one is compared with itself, to no end.
        self.lower = np.where(self.has_next, self.next_city, np.arange(self.city_count))
        self.excess = np.zeros(self.city_count)
        self.pair_count = np.zeros(self.city_count)
        self.counts = self.ranks = None
        if self.city_count <= _MOST_COUNTED_CITIES:
            self.counts = np.zeros((self.city_count + 1) * self.city_count, np.int64)
        else:
            smallest = np.int16 if self.city_count < np.iinfo(np.int16).max else np.int32
            self.ranks = np.empty((world_count, self.city_count), smallest)

    def add(self, start: int, keys: np.ndarray) -> None:
        """Take in the comparable scores of a batch (worlds x cities)."""
        cities, ranks_by_place = places(keys)
        if self.counts is not None:
            ranks_by_place *= self.city_count
            ranks_by_place += cities
            self.counts += np.bincount(ranks_by_place.ravel(), minlength=len(self.counts))
        else:
            np.put_along_axis(self.ranks[start : start + len(keys)], cities, ranks_by_place, axis=1)
        lower = np.take(keys, self.lower, axis=1)
        self.excess += _count(keys > lower) - _count(keys < lower)
        are_missing = np.isnan(keys).any()
        self.pair_count += len(keys) if not are_missing else _count(~np.isnan(keys) & ~np.isnan(lower))

    def summary(self, tiers: tuple[np.ndarray, np.ndarray] | None) -> RankSummary:
        """What the ranks come to."""
        rows: dict[str, np.ndarray] = {
            name: np.full(self.city_count, np.nan)
            for name in ("world_count", *_PERCENTILES, "share_top_10", "share_own_tier")
        }
        for block, counts in self._counts():
            for name, found in _of_counts(counts, None if tiers is None else [each[block] for each in tiers]).items():
                rows[name][block] = found
        with np.errstate(invalid="ignore", divide="ignore"):
            above = (1 + self.excess / self.pair_count) / 2
        rows["share_above_next"] = np.where(self.has_next & (self.pair_count > 0), above, np.nan)
        is_ranked = self.published > 0
        return RankSummary(
            **{name: np.where(is_ranked, found, np.nan) for name, found in rows.items()}, next_city=self.next_city
        )

    def _counts(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Blocks of cities, and how often each has each rank (cities x ranks; the first is that of no rank)."""
        if self.counts is not None:
            yield slice(0, self.city_count), self.counts.reshape(self.city_count + 1, self.city_count).T
            return
        step = max(_BLOCK_CELLS // (self.city_count + 1), 1)
        for first in range(0, self.city_count, step):
            block = slice(first, min(first + step, self.city_count))
            ranks_of_block = self.ranks[:, block].astype(np.int64)
            size = ranks_of_block.shape[1]
            ranks_of_block += np.arange(size) * (self.city_count + 1)
            yield (
                block,
                np.bincount(ranks_of_block.ravel(), minlength=size * (self.city_count + 1)).reshape(size, -1),
            )


def _count(is_so: np.ndarray) -> np.ndarray:
    """In how many worlds something is so, by city."""
    return np.add.reduce(is_so.view(np.int8), axis=0, dtype=np.int64)


def _of_counts(counts: np.ndarray, tiers: list[np.ndarray] | None) -> dict[str, np.ndarray]:
    """What counts of ranks come to (cities x ranks from 0, which is none)."""
    below = counts[:, 1:].cumsum(axis=1)
    world_count = below[:, -1]
    # Whole numbers on both sides, so that no share is a rounding away from its bound.
    found = {
        name: np.where(world_count > 0, 1.0 + (below * 100 < percent * world_count[:, None]).sum(axis=1), np.nan)
        for name, percent in _PERCENTILES.items()
    }
    with np.errstate(invalid="ignore"):
        found["share_top_10"] = below[:, min(TOP, below.shape[1]) - 1] / world_count
        if tiers is not None:
            best, worst = (np.nan_to_num(np.asarray(each, float)).astype(np.int64) for each in tiers)
            cumulative = np.concatenate([np.zeros((len(below), 1), np.int64), below], axis=1)
            cities = np.arange(len(below))
            within = (
                cumulative[cities, np.clip(worst, 0, len(below[0]))] - cumulative[cities, np.clip(best - 1, 0, None)]
            )
            found["share_own_tier"] = np.where((best > 0) & (worst > 0), within / world_count, np.nan)
    return {"world_count": world_count.astype(float), **found}
