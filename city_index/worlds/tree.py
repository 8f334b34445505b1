"""An index and its scores in many worlds: the project's formula in numpy.

What belongs here: the tree of one index and edition, the scores of its leaves, and the formula of
``macros/aggregation.sql`` (docs/method.md) over worlds with weights, means, missing policies and normalisations of
their own. What does not: where worlds come from (``draws``).

Shapes: a world is a row, so that arrays are worlds x cities or worlds x nodes. Nodes stand in their canonical order, by
level and code; leaves are the last of them. Codes of a choice are its place in ``AGGREGATIONS`` and
``MISSING_POLICIES``.

Every number is the outcome of the same operations in the same order whatever stands beside it, so that results do not
depend on how worlds are batched. The one exception, matrix products, is settled before ranks are told
(``effective_keys``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from city_index.worlds.ranking import DECIMALS, UNITS, Unsettled, ranks

__all__ = ["AGGREGATIONS", "MISSING_POLICIES", "Scores", "Tree", "Worlds", "effective_keys", "ranks", "score"]

AGGREGATIONS = ("arithmetic", "geometric", "harmonic")
MISSING_POLICIES = ("renormalise", "zero", "fail")
ARITHMETIC, GEOMETRIC, HARMONIC = range(3)
RENORMALISE, ZERO, FAIL = range(3)

LEAF_LEVEL = 3
# What is no choice: of leaves, which have no children.
NONE = -1

# Scores are lifted onto this scale where every mean must be defined.
LIFTED_LOW, LIFTED_HIGH = 1.0, 100.0


@dataclass(frozen=True)
class Tree:
    """The tree of one index and edition.

    Attributes:
        codes: of the nodes, in canonical order; the first is the root's.
        parents: the number of each node's parent; -1 of the root.
        levels: 0 to 3.
        weights: shares of the parent, which add up to 1, or are 0 where no sibling has a weight.
        aggregations: how the children of an inner node become its score; -1 of leaves.
        missing_policies: what a missing child does; -1 of leaves.
        min_coverages: the least share, by count, of children present; 0 where there is none.
        children: the numbers of each node's children.
    """

    codes: tuple[str, ...]
    parents: np.ndarray
    levels: np.ndarray
    weights: np.ndarray
    aggregations: np.ndarray
    missing_policies: np.ndarray
    min_coverages: np.ndarray
    children: tuple[tuple[int, ...], ...] = field(repr=False)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Tree:
        """The tree of rows like those of int_indicators, in any order.

        Args:
            rows: each with indicator_code, parent_code, level, weight, aggregation, missing_policy and min_coverage;
                what is None, nan or empty is not given.

        Raises:
            ValueError: the rows are no tree with three levels below one root, or a choice is unknown.
        """
        given = sorted(
            ({name: _given(value) for name, value in row.items()} for row in rows),
            key=lambda row: (int(row["level"]), row["indicator_code"]),
        )
        codes = tuple(row["indicator_code"] for row in given)
        numbers = {code: number for number, code in enumerate(codes)}
        if len(numbers) < len(codes):
            raise ValueError("a node stands in the tree twice")
        children: list[list[int]] = [[] for _code in codes]
        parents = []
        for number, row in enumerate(given):
            parent = row["parent_code"]
            if (parent is None) != (number == 0) or (parent is not None and parent not in numbers):
                raise ValueError(f"{row['indicator_code']}: a tree has one root, and every other node a parent in it")
            parents.append(NONE if parent is None else numbers[parent])
            if parent is not None:
                children[numbers[parent]].append(number)
            if int(row["level"]) != (0 if parent is None else int(given[numbers[parent]]["level"]) + 1):
                raise ValueError(f"{row['indicator_code']}: its level is not that below its parent")
            if row["weight"] is None or not 0 <= float(row["weight"]) < math.inf:
                raise ValueError(f"{row['indicator_code']}: its weight is no finite number at or above 0")
        for row, below in zip(given, children, strict=True):
            if bool(below) == (int(row["level"]) == LEAF_LEVEL):
                raise ValueError(f"{row['indicator_code']}: leaves stand at level {LEAF_LEVEL}, and only leaves")

        weights = np.array([float(row["weight"]) for row in given])
        for below in filter(None, children):
            siblings = weights[below] / (weights[below].max() or 1.0)  # their sum is finite, however large they are
            weights[below] = siblings / (siblings.sum() or 1.0)

        def choices(name: str, known: Sequence[str]) -> np.ndarray:
            return np.array(
                [
                    known.index(row.get(name) or known[0]) if below else NONE
                    for row, below in zip(given, children, strict=True)
                ],
                np.int8,
            )

        return cls(
            codes=codes,
            parents=np.array(parents, np.int64),
            levels=np.array([int(row["level"]) for row in given], np.int64),
            weights=weights,
            aggregations=choices("aggregation", AGGREGATIONS),
            missing_policies=choices("missing_policy", MISSING_POLICIES),
            min_coverages=np.array([float(row.get("min_coverage") or 0) for row in given]),
            children=tuple(tuple(below) for below in children),
        )

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def inner(self) -> tuple[int, ...]:
        """The numbers of the nodes with children, the root first."""
        return tuple(number for number, below in enumerate(self.children) if below)

    @property
    def leaves(self) -> tuple[int, ...]:
        """The numbers of the leaves."""
        return tuple(number for number, below in enumerate(self.children) if not below)

    @property
    def ranked(self) -> tuple[int, ...]:
        """The numbers of the nodes whose ranks are asked for: the root and the primaries."""
        return tuple(int(number) for number in np.flatnonzero(self.levels <= 1))

    def leaves_below(self, node: int) -> list[int]:
        """The numbers of the leaves below a node, in canonical order."""
        return [number for number in self.below(node) if not self.children[number]]

    def below(self, node: int) -> tuple[int, ...]:
        """The numbers of all nodes below a node, in canonical order."""
        found: list[int] = []
        level = list(self.children[node])
        while level:
            found += level
            level = [child for number in level for child in self.children[number]]
        return tuple(sorted(found))


def _given(value: Any) -> Any:
    """A value of a row; None where it is empty."""
    return None if value is None or value == "" or value != value else value


@dataclass(frozen=True)
class Scores:
    """Scores of the leaves, in one normalisation or several.

    Attributes:
        cities: their codes.
        values: normalisations x cities x leaves, finite, or nan where missing; leaves in canonical order.
        zero: what a missing child counts as under the missing policy zero.
    """

    cities: tuple[str, ...]
    values: np.ndarray
    zero: float = 0.0

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.shape[1] != len(self.cities):
            raise ValueError("scores are normalisations x cities x leaves")
        if np.isinf(self.values).any():
            raise ValueError("a score is a finite number, or nan where it is missing")

    @classmethod
    def of(
        cls, tree: Tree, cities: Sequence[str], city_codes: Sequence, indicator_codes: Sequence, scores: Sequence
    ) -> Scores:
        """The scores of cells in one normalisation; what no cell gives is missing.

        Args:
            tree: whose leaves.
            cities: the codes of all cities, in the order that they are to have.
            city_codes: of each cell.
            indicator_codes: of each cell; cells of other nodes than leaves are passed over.
            scores: of each cell; None or nan where missing.
        """
        places = {code: place for place, code in enumerate(cities)}
        columns = {tree.codes[leaf]: column for column, leaf in enumerate(tree.leaves)}
        values = np.full((1, len(places), len(columns)), np.nan)
        count = len(scores)
        rows = np.fromiter((places[city] for city in city_codes), np.int64, count)
        of_leaf = np.fromiter((columns.get(indicator, NONE) for indicator in indicator_codes), np.int64, count)
        is_leaf = of_leaf != NONE
        values[0, rows[is_leaf], of_leaf[is_leaf]] = np.asarray(scores, float)[is_leaf]
        return cls(tuple(cities), values)

    def beside(self, *others: Scores) -> Scores:
        """These scores and those of other normalisations for the same cities and leaves, as alternatives."""
        if any(other.cities != self.cities or other.zero != self.zero for other in others):
            raise ValueError("alternatives have the same cities, and all are lifted or none")
        return Scores(self.cities, np.concatenate([self.values, *(other.values for other in others)]), self.zero)

    def lifted(self, low: float | np.ndarray = 0.0, high: float | np.ndarray = 100.0) -> Scores:
        """The same scores on the scale 1..100, where a geometric mean is defined for the lowest score too.

        Every score of a leaf is mapped linearly from the leaf's scale onto 1..100 (OECD/JRC Handbook on Constructing
        Composite Indicators, 2008, section 6; practice of the JRC's audits). A missing child that counts as 0 counts as
        the lowest score of the new scale. Where all leaves have one scale, no ranking under arithmetic means changes.

        Args:
            low: the lower end of the scale, of all leaves or of each; may differ by normalisation
                (normalisations x 1 x leaves).
            high: its upper end.
        """
        width = np.asarray(high, float) - low
        if not np.all(width > 0):
            raise ValueError("a scale has its upper end above its lower one")
        values = LIFTED_LOW + (LIFTED_HIGH - LIFTED_LOW) * ((self.values - low) / width)
        return Scores(self.cities, values, zero=LIFTED_LOW)


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


def score(
    tree: Tree,
    leaf_scores: Scores | np.ndarray,
    weights: np.ndarray | None = None,
    aggregations: np.ndarray | None = None,
    missing_policies: np.ndarray | None = None,
    normalisations: np.ndarray | None = None,
    gone: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """The scores of every inner node in every world.

    Args:
        tree: the index.
        leaf_scores: of the leaves; an array is cities x leaves or normalisations x cities x leaves.
        weights: worlds x nodes, relative among siblings; the tree's own in one world by default.
        aggregations: worlds x nodes; the tree's by default.
        missing_policies: worlds x nodes; the tree's by default.
        normalisations: of each world, the number of its normalisation; 0 by default.
        gone: worlds x nodes, true where a node is no part of the tree: unlike a child of weight 0 it takes no part in
            the coverage of its parent either. What is below it has to be gone too.

    Returns:
        worlds x cities by the code of each node with children, nan where the score is missing.
    """
    if not isinstance(leaf_scores, Scores):
        stack = np.asarray(leaf_scores, float)
        stack = stack[None] if stack.ndim == 2 else stack
        leaf_scores = Scores(tuple(map(str, range(stack.shape[1]))), stack)
    weights = tree.weights[None] if weights is None else np.asarray(weights, float)
    world_count, city_count = len(weights), leaf_scores.values.shape[1]
    columns = {leaf: column for column, leaf in enumerate(tree.leaves)}
    found: dict[int, _Column] = {}
    for node in reversed(tree.inner):
        children = list(tree.children[node])
        are_leaves = children[0] in columns
        siblings = _Siblings.of(weights.T[children], None if gone is None else gone.T[children])
        parent = _Column(np.empty((world_count, city_count)), True)
        for rows, aggregation, policy, normalisation in _alike(
            world_count,
            tree.aggregations[node] if aggregations is None else aggregations[:, node],
            tree.missing_policies[node] if missing_policies is None else missing_policies[:, node],
            normalisations if are_leaves and normalisations is not None else 0,
        ):
            below = [
                _Column.of(leaf_scores.values[normalisation, None, :, columns[child]])
                if are_leaves
                else found[child].part(rows)
                for child in children
            ]
            mean = _mean(
                siblings.part(rows), below, aggregation, policy, float(tree.min_coverages[node]), leaf_scores.zero
            )
            parent.values[rows] = mean.values
            parent.is_complete &= mean.is_complete
        found[node] = parent
    return {tree.codes[node]: found[node].values for node in tree.inner}


_ALL = slice(None)


def _alike(world_count: int, *choices: np.ndarray | int) -> Iterator[tuple[Any, ...]]:
    """Worlds that make the same choices: their rows, and the choices."""
    arrays = [np.broadcast_to(np.asarray(choice, np.int64), world_count) for choice in choices]
    if world_count and all((array == array[0]).all() for array in arrays):
        yield (_ALL, *(int(array[0]) for array in arrays))
    elif world_count:
        codes = np.ravel_multi_index(arrays, [int(array.max()) + 1 for array in arrays])
        order = np.argsort(codes, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
            yield (rows, *(int(array[rows[0]]) for array in arrays))


@dataclass
class _Column:
    """The scores of one node: worlds x cities, or 1 x cities where all worlds share them.

    Attributes:
        values: nan where missing.
        is_complete: no score is missing.
    """

    values: np.ndarray
    is_complete: bool

    @classmethod
    def of(cls, values: np.ndarray) -> _Column:
        return cls(values, not np.isnan(values).any())

    def part(self, rows: Any) -> _Column:
        return _Column(self.values[rows], self.is_complete)


@dataclass
class _Siblings:
    """The children of one node by world.

    Attributes:
        shares: their weights (children x worlds); they add up to 1, or to 0 where no child has a weight.
        are_there: children x worlds, which are part of the tree; None where all are.
    """

    shares: np.ndarray
    are_there: np.ndarray | None

    @classmethod
    def of(cls, weights: np.ndarray, gone: np.ndarray | None) -> _Siblings:
        if gone is None or not gone.any():
            return cls(shares_of(weights), None)
        return cls(shares_of(np.where(gone, 0.0, weights)), ~gone)

    def part(self, rows: Any) -> _Siblings:
        return _Siblings(self.shares[:, rows], None if self.are_there is None else self.are_there[:, rows])

    def share(self, child: int) -> np.ndarray:
        """The share of one child: worlds x 1."""
        return self.shares[child, :, None]


def shares_of(weights: np.ndarray) -> np.ndarray:
    """Weights of siblings (children x worlds) as shares of their sum, which is finite; 0 where none is above 0."""
    total = weights[0].copy()
    for weight in weights[1:]:
        total += weight
    total[total <= 0] = 1.0
    return weights / total


def _sum(terms: Iterable[np.ndarray]) -> np.ndarray:
    """The sum of arrays of one shape, in their order; the first is used up."""
    terms = iter(terms)
    total = next(terms)
    for term in terms:
        total += term
    return total


def _mean(
    siblings: _Siblings, below: list[_Column], aggregation: int, policy: int, min_coverage: float, zero: float
) -> _Column:
    """The scores of a parent in worlds that choose alike, from those of its children."""
    places = range(len(below))
    values = [column.values for column in below]
    is_undefined = siblings.shares.max(axis=0)[:, None] <= 0
    used = is_partial = None
    if not all(column.is_complete for column in below):
        missing = [np.isnan(column.values) for column in below]
        is_undefined = is_undefined | _is_too_empty(missing, siblings.are_there, policy, min_coverage)
        if policy == ZERO:
            filling = zero
        else:
            filling = _NEUTRAL[aggregation]
            used = _sum(siblings.share(place) * ~missing[place] for place in places)
            is_partial = _any(missing[place] & (siblings.share(place) > 0) for place in places)
            is_undefined = is_undefined | (used <= 0)
        values = [np.where(gap, filling, given) for gap, given in zip(missing, values, strict=True)]
    if aggregation != ARITHMETIC:
        negative = [np.rint(given * UNITS) <= 0 for given in values]
        if any(each.any() for each in negative):
            is_undefined = is_undefined | _any(negative[place] & (siblings.share(place) > 0) for place in places)
            values = [np.where(each, 1.0, given) for each, given in zip(negative, values, strict=True)]
    if aggregation == GEOMETRIC:
        values = [np.log(given) for given in values]
    if aggregation == HARMONIC:
        mean = _sum(siblings.share(place) / values[place] for place in places)
    else:
        mean = _sum(siblings.share(place) * values[place] for place in places)
    if used is not None:
        # Where every child counts, nothing is divided: such a score is the same whatever others lack.
        np.divide(mean, used, out=mean, where=is_partial & (used > 0))
    if aggregation == GEOMETRIC:
        np.exp(mean, out=mean)
    elif aggregation == HARMONIC:
        with np.errstate(divide="ignore"):
            np.divide(1.0, mean, out=mean)
    if not is_undefined.any():
        return _Column(mean, True)
    return _Column(np.where(is_undefined, np.nan, mean), False)


# A score that adds nothing to the sum that a mean is made of.
_NEUTRAL = {ARITHMETIC: 0.0, GEOMETRIC: 1.0, HARMONIC: np.inf}


def _any(masks: Iterable[np.ndarray]) -> np.ndarray:
    masks = iter(masks)
    found = next(masks)
    for mask in masks:
        found = found | mask
    return found


def _is_too_empty(
    missing: list[np.ndarray], are_there: np.ndarray | None, policy: int, min_coverage: float
) -> np.ndarray:
    """Where a parent has no score because of how many of its children have none."""
    if are_there is None:
        child_count: Any = len(missing)
        missing_count = _sum(gap.astype(np.int64) for gap in missing)
    else:
        child_count = np.maximum(are_there.sum(axis=0)[:, None], 1)
        missing_count = _sum((gap & are_there[child, :, None]).astype(np.int64) for child, gap in enumerate(missing))
    if policy == FAIL:
        return missing_count > 0
    return np.round((child_count - missing_count) / child_count, DECIMALS) < round(min_coverage, DECIMALS)


def is_effective(tree: Tree, leaf_scores: Scores, weights: np.ndarray) -> bool:
    """Whether effective weights give every score: all means are arithmetic, and nothing lacks a score or a weight."""
    return bool(
        len(leaf_scores.values) == 1
        and not np.isnan(leaf_scores.values).any()
        and (tree.aggregations[list(tree.inner)] == ARITHMETIC).all()
        and (tree.min_coverages <= 1).all()
        and (weights > 0).all()
    )


def effective_weights(tree: Tree, weights: np.ndarray, nodes: Iterable[int]) -> dict[int, np.ndarray]:
    """What each leaf weighs in some nodes, where nothing is missing.

    Args:
        tree: the index.
        weights: worlds x nodes, relative among siblings, all above 0.
        nodes: their numbers.

    Returns:
        for each node the shares of the leaves below it (leaves x worlds), which add up to 1.
    """
    shares = np.ones((len(tree), len(weights)))
    for node in tree.inner:
        children = list(tree.children[node])
        shares[children] = shares_of(weights.T[children])
    found = {}
    for node in nodes:
        leaves = tree.leaves_below(node)
        products, ancestors = shares[leaves], tree.parents[leaves]
        for _level in range(tree.levels[node] + 1, LEAF_LEVEL):
            products *= shares[ancestors]
            ancestors = tree.parents[ancestors]
        found[node] = products
    return found


# The most multiplications of one matrix product. Linear algebra spreads larger ones over threads, and waking these can
# take longer than the product does, above all where others use the processor too.
_PRODUCT_SIZE = 2**18
_PRODUCT_WORLDS = 32


def effective_keys(leaf_scores: np.ndarray, effective: np.ndarray) -> tuple[np.ndarray, Unsettled]:
    """Comparable scores by matrix products over effective weights.

    A matrix product adds up in an order of its own, which may change with its size and with the processor. So the keys
    of a world in which two of them lie near each other are to be settled: added up leaf by leaf.

    Args:
        leaf_scores: leaves x columns, none missing.
        effective: leaves x worlds, shares of the node.

    Returns:
        worlds x columns as of ``ranking.comparable``, and how they are settled.
    """
    leaf_scores = leaf_scores * UNITS
    largest = float(np.abs(leaf_scores).max(initial=0.0))

    def settled(worlds: np.ndarray) -> np.ndarray:
        return np.rint(_sum(effective[leaf, worlds, None] * row for leaf, row in enumerate(leaf_scores)))

    # As the shares add up to 1, a sum of n products in any order is off by at most n roundings of the largest score,
    # each half an eps (Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, section 3.1). So two sums
    # differ by n eps at most, their keys by one more, and the distance between two keys by twice as much.
    difference = (len(leaf_scores) + 2) * np.finfo(float).eps * largest
    return np.rint(_product(effective, leaf_scores)), Unsettled(settled, 2 * (1 + difference), largest + 1)


def _product(effective: np.ndarray, leaf_scores: np.ndarray) -> np.ndarray:
    """The scores (worlds x cities), by many small matrix products."""
    leaf_count, world_count = effective.shape
    city_count = leaf_scores.shape[1]
    found = np.empty((world_count, city_count))
    columns = max(_PRODUCT_SIZE // (_PRODUCT_WORLDS * leaf_count), 1)
    even = world_count - world_count % _PRODUCT_WORLDS
    stack = effective[:, :even].reshape(leaf_count, -1, _PRODUCT_WORLDS).transpose(1, 2, 0)
    stacked = found[:even].reshape(-1, _PRODUCT_WORLDS, city_count)
    for first in range(0, city_count, columns):
        block = slice(first, first + columns)
        np.matmul(stack, leaf_scores[:, block], out=stacked[:, :, block])
        np.matmul(effective[:, even:].T, leaf_scores[:, block], out=found[even:, block])
    return found
