"""Worlds taken a batch at a time, in threads.

What belongs here: how many worlds are scored at once, by which way, and by how many threads. What does not: the formula
(``tree``), and what is made of the scores. No result depends on any of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from city_index.worlds.ranking import Places, comparable, places
from city_index.worlds.tree import Scores, Tree, Worlds, effective_keys, effective_weights, is_effective

# A batch of worlds has about this many scores of a node, so that it stays in the processor's caches.
BATCH_CELLS = 2**18

# More threads than these wait for the interpreter.
_MOST_THREADS = 4

Result = TypeVar("Result")


class Columns:
    """Which cities share a column of scores: those that have the same score in every world.

    Attributes:
        of_city: the number of each city's column.
        sizes: how many cities share each; None where all stand for one.
    """

    def __init__(self, of_city: np.ndarray) -> None:
        self.of_city = of_city
        sizes = np.bincount(of_city)
        self.sizes = sizes if len(sizes) < len(of_city) else None
        self.count = len(sizes)


class Ranked:
    """The ranks of an index in many worlds.

    Attributes:
        nodes: the numbers of the nodes that are ranked.
        columns: of each node, the columns of its scores.
    """

    def __init__(
        self,
        tree: Tree,
        leaf_scores: Scores,
        worlds: Worlds,
        nodes: Sequence[int] | None = None,
        published: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """The ranks of some nodes.

        Args:
            tree: the index.
            leaf_scores: of its leaves.
            worlds: to be scored.
            nodes: their numbers, among the root and the primaries; all of these by default.
            published: by the code of a node the published rank of each city. A city without one there competes in no
                world, so that a rank never exceeds the number of published ones; all do where this is not given.
        """
        self.outside = {
            node: np.flatnonzero(np.asarray(published[tree.codes[node]]) == 0)
            for node in (tree.ranked if nodes is None else nodes)
            if published is not None
        }
        self.tree = tree
        self.leaf_scores = leaf_scores
        self.worlds = worlds
        self.nodes = tree.ranked if nodes is None else tuple(nodes)
        # One way for all batches, so that it never depends on the batch which one it is. Where nothing is missing and
        # all means are arithmetic, every city has a rank.
        self.by_products = (
            worlds.aggregations is None
            and worlds.gone is None
            and not any(each.size for each in self.outside.values())
            and is_effective(tree, leaf_scores, worlds.weights)
        )
        self.columns = {node: Columns(np.arange(len(leaf_scores.cities))) for node in self.nodes}
        self.values: dict[int, np.ndarray] = {}
        if self.by_products:
            leaves = {leaf: number for number, leaf in enumerate(tree.leaves)}
            for node in self.nodes:
                below = leaf_scores.values[0][:, [leaves[leaf] for leaf in tree.leaves_below(node)]]
                distinct, of_city = np.unique(below, axis=0, return_inverse=True)
                self.values[node] = np.ascontiguousarray(distinct.T)
                self.columns[node] = Columns(of_city.reshape(-1))

    def of(self, rows: slice) -> Iterator[tuple[int, np.ndarray, Places]]:
        """Each node with its comparable scores in some worlds (worlds x columns), and who stands where."""
        if self.by_products:
            effective = effective_weights(self.tree, self.worlds.weights[rows], self.nodes)
            for node in self.nodes:
                keys, unsettled = effective_keys(self.values[node], effective[node])
                yield node, keys, places(keys, self.columns[node].sizes, unsettled)
        else:
            scores = self.worlds.part(rows).scores(self.tree, self.leaf_scores)
            for node in self.nodes:
                keys = comparable(scores[self.tree.codes[node]])
                if node in self.outside and self.outside[node].size:
                    keys[:, self.outside[node]] = np.nan
                yield node, keys, places(keys)

    def ranks(self, rows: slice) -> Iterator[tuple[int, np.ndarray]]:
        """Each node with the ranks of all cities in some worlds (worlds x cities), 0 where a score is missing."""
        for node, _keys, found in self.of(rows):
            yield node, found.ranks_of_columns()[:, self.columns[node].of_city]

    def over_batches(
        self, work: Callable[[slice], Result], batch_cells: int = BATCH_CELLS, threads: int | None = None
    ) -> Iterator[Result]:
        """What some work gives for each batch of worlds, in their order.

        Args:
            work: takes the rows of a batch.
            batch_cells: about how many scores of a node a batch has.
            threads: how many batches are worked on at a time; by default one for each processor, and four at most.
        """
        step = max(batch_cells // max(len(self.leaf_scores.cities), 1), 1)
        count = len(self.worlds)
        batches = [slice(start, min(start + step, count)) for start in range(0, count, step)]
        threads = min(os.cpu_count() or 1, _MOST_THREADS) if threads is None else threads
        if threads == 1 or len(batches) == 1:
            yield from map(work, batches)
            return
        with ThreadPoolExecutor(threads) as pool:
            yield from pool.map(work, batches)
