"""Worlds taken a batch at a time, in threads.

What belongs here: how many worlds are scored at once, by which way, and by how many threads. What does not: the formula
(``tree``), and what is made of the scores. No result depends on any of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from city_index.worlds.ranking import comparable
from city_index.worlds.tree import Scores, Tree, Worlds, effective_keys, effective_weights, is_effective

# A batch of worlds has about this many scores of a node, so that it stays in the processor's caches.
BATCH_CELLS = 2**17

# More threads than these wait for the interpreter.
_MOST_THREADS = 4

Result = TypeVar("Result")


class Keys:
    """The comparable scores of an index in many worlds.

    Attributes:
        nodes: the numbers of the nodes that are scored.
    """

    def __init__(self, tree: Tree, leaf_scores: Scores, worlds: Worlds, nodes: Sequence[int] | None = None) -> None:
        """The scores of some nodes.

        Args:
            tree: the index.
            leaf_scores: of its leaves.
            worlds: to be scored.
            nodes: their numbers, among those that are ranked; all of these by default.
        """
        self.tree = tree
        self.leaf_scores = leaf_scores
        self.worlds = worlds
        self.nodes = tree.ranked if nodes is None else tuple(nodes)
        # One way for all batches, so that it never depends on the batch which one it is.
        self.by_products = (
            worlds.aggregations is None and worlds.gone is None and is_effective(tree, leaf_scores, worlds.weights)
        )
        columns = {leaf: column for column, leaf in enumerate(tree.leaves)}
        self.values = {
            node: np.ascontiguousarray(leaf_scores.values[0][:, [columns[leaf] for leaf in tree.leaves_below(node)]].T)
            for node in self.nodes
        }

    def of(self, rows: slice) -> Iterator[tuple[int, np.ndarray]]:
        """Each node with its comparable scores in some worlds (worlds x cities)."""
        if self.by_products:
            effective = effective_weights(self.tree, self.worlds.weights[rows], self.nodes)
            for node in self.nodes:
                yield node, effective_keys(self.values[node], effective[node])
        else:
            scores = self.worlds.part(rows).scores(self.tree, self.leaf_scores)
            for node in self.nodes:
                yield node, comparable(scores[self.tree.codes[node]])

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
