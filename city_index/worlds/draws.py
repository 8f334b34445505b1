"""Worlds of an index, and how sure the ranks of its cities are in them.

What belongs here: drawing weights and methods, leaving nodes out, and the question put to all worlds. What does not:
the formula (``tree``), ranking (``ranking``), gathering ranks (``gathering``), and which scenarios a release publishes.

Everything random is drawn at once, in the canonical order of the nodes, before worlds are batched.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from city_index.worlds.batches import BATCH_CELLS, Ranked
from city_index.worlds.gathering import GatheredRanks, RankSummary
from city_index.worlds.ranking import ranks
from city_index.worlds.tree import ARITHMETIC, GEOMETRIC, Scores, Tree, Worlds, score, shares_of


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


def rank_summary(
    tree: Tree,
    leaf_scores: Scores,
    worlds: Worlds,
    published: Mapping[str, np.ndarray],
    tiers: tuple[np.ndarray, np.ndarray] | None = None,
    next_city: Mapping[str, np.ndarray] | None = None,
    batch_cells: int = BATCH_CELLS,
    threads: int | None = None,
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
        batch_cells: about how many scores of a node are made at a time; changes no result.
        threads: how many batches are worked on at a time; one for each processor by default. Changes no result either.
    """
    ranked = Ranked(tree, leaf_scores, worlds, published=published)
    gathered = {}
    for node in tree.ranked:
        code = tree.codes[node]
        follows = next_cities(published[code]) if next_city is None else next_city[code]
        gathered[node] = GatheredRanks(len(worlds), published[code], follows, ranked.columns[node])

    def gather(rows: slice) -> None:
        for node, keys, places in ranked.of(rows):
            gathered[node].add(rows, keys, places)

    for _done in ranked.over_batches(gather, batch_cells, threads):
        pass
    return {tree.codes[node]: each.summary(tiers if node == 0 else None) for node, each in gathered.items()}
