"""Which choice moves the ranks: variance-based sensitivity of an index to its weights and methods.

What belongs here: the design of the sample, the estimators with their intervals, and an index as a function of one
number for each choice. What does not: scoring (``tree``) and drawing worlds that only vary (``draws``).

Sources: Saltelli et al. (2010), Variance based sensitivity analysis of model output, Computer Physics Communications
181, for the design and the first-order indices; Jansen (1999), Analysis of variance designs for model output, in the
same journal 117, for the total effects; Saisana, Saltelli and Tarantola (2005), Uncertainty and sensitivity analysis
techniques as tools for the quality assessment of composite indicators, for the use on ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from city_index.worlds.batches import BATCH_CELLS, Ranked
from city_index.worlds.tree import ARITHMETIC, GEOMETRIC, HARMONIC, RENORMALISE, ZERO, Scores, Tree, Worlds, shares_of

RESAMPLES = 500
_INTERVAL = (2.5, 97.5)

# Rows of multipliers drawn for each branch; a uniform number picks one of them.
MULTIPLIER_ROWS = 1024

_OTHER_AGGREGATION = {ARITHMETIC: GEOMETRIC, GEOMETRIC: ARITHMETIC, HARMONIC: ARITHMETIC}


@dataclass(frozen=True)
class Design:
    """Points at which a model is to be known, each coordinate in 0..1.

    Attributes:
        a: rows x factors.
        b: rows x factors, independent of a.
        ab: factors x rows x factors: a, with one factor's column from b.
    """

    a: np.ndarray
    b: np.ndarray
    ab: np.ndarray

    @classmethod
    def of(cls, a: np.ndarray, b: np.ndarray) -> Design:
        """The design of two independent samples."""
        ab = np.repeat(a[None], a.shape[1], axis=0)
        for factor in range(a.shape[1]):
            ab[factor, :, factor] = b[:, factor]
        return cls(a, b, ab)

    def part(self, rows: slice) -> Design:
        """Some of the rows."""
        return Design(self.a[rows], self.b[rows], self.ab[:, rows])


def saltelli_design(factor_count: int, base_count: int, seed: int) -> Design:
    """The design of Saltelli et al. (2010) over a scrambled Sobol sequence; a larger one begins with a smaller one.

    Args:
        factor_count: how many factors.
        base_count: rows, a power of two.
        seed: of the scrambling.
    """
    if base_count < 1 or base_count & (base_count - 1):
        raise ValueError("the base count is a power of two")
    if factor_count == 0:
        return Design.of(np.empty((base_count, 0)), np.empty((base_count, 0)))
    points = qmc.Sobol(2 * factor_count, scramble=True, rng=np.random.default_rng(seed)).random(base_count)
    return Design.of(points[:, :factor_count], points[:, factor_count:])


def indices(y_a: np.ndarray, y_b: np.ndarray, y_ab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First-order indices and total effects; 0 where nothing varies.

    With y centred and V its variance over a and b, the first order is mean(y_b * (y_ab - y_a)) / V, and the total
    effect mean((y_a - y_ab)^2) / (2 V).

    Args:
        y_a: the model at a design's a (rows).
        y_b: at its b.
        y_ab: at its ab (factors x rows).

    Returns:
        both by factor.
    """
    first, total = _from_moments(_moments(y_a, y_b, y_ab).mean(axis=1)[None])
    return first[0], total[0]


def _moments(y_a: np.ndarray, y_b: np.ndarray, y_ab: np.ndarray) -> np.ndarray:
    """What the estimators need the means of, row by row: moments x rows."""
    both = np.concatenate([y_a, y_b])
    if both.size and both.max() == both.min():
        return np.zeros((3 + 3 * len(y_ab), len(y_a)))
    centre = both.mean()
    a, b, change = y_a - centre, y_b - centre, y_ab - y_a
    return np.concatenate([[a, b, (a * a + b * b) / 2], b * change, change, change * change])


def _from_moments(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First orders and total effects (samples x factors) from means of moments (samples x moments)."""
    mean_a, mean_b, square = means[:, :3].T
    product, change, squared_change = np.split(means[:, 3:], 3, axis=1)
    centre = (mean_a + mean_b) / 2
    variance = (square - centre**2)[:, None]
    divisor = np.where(variance > 0, variance, np.inf)
    return (product - centre[:, None] * change) / divisor, squared_change / (2 * divisor)


def intervals(
    y_a: np.ndarray, y_b: np.ndarray, y_ab: np.ndarray, seed: int, resamples: int = RESAMPLES
) -> tuple[np.ndarray, np.ndarray]:
    """95 % intervals of both indices, by resampling the rows of the design.

    Args:
        y_a: the model at a design's a (rows).
        y_b: at its b.
        y_ab: at its ab (factors x rows).
        seed: of the resampling.
        resamples: how many.

    Returns:
        the lower and upper bounds (2 x factors) of the first order, and of the total effect.
    """
    moments = _moments(y_a, y_b, y_ab)
    row_count = len(y_a)
    chosen = np.random.default_rng(seed).integers(row_count, size=(resamples, row_count))
    chosen += np.arange(resamples)[:, None] * row_count
    times = np.bincount(chosen.ravel(), minlength=chosen.size).reshape(chosen.shape) / row_count
    # Not by linear algebra, whose order of adding up depends on its threads.
    means = np.einsum("sr,mr->sm", times, moments)
    first, total = (np.percentile(found, _INTERVAL, axis=0) for found in _from_moments(means))
    return first, total


@dataclass(frozen=True)
class Sensitivity:
    """What a model is sensitive to; arrays by factor.

    Attributes:
        factors: their names.
        first_order: the share of the variance that the factor explains alone.
        first_order_low: the lower bound of its 95 % interval.
        first_order_high: the upper bound.
        total_effect: the share that it has a part in.
        total_effect_low: the lower bound of its 95 % interval.
        total_effect_high: the upper bound.
        base_count: rows of the design.
        evaluation_count: points at which the model was evaluated.
        half_width: the largest half width of an interval.
        is_converged: whether that came to the target before the most rows were used.
        mean: of the model.
        variance: of the model.
    """

    factors: tuple[str, ...]
    first_order: np.ndarray
    first_order_low: np.ndarray
    first_order_high: np.ndarray
    total_effect: np.ndarray
    total_effect_low: np.ndarray
    total_effect_high: np.ndarray
    base_count: int
    evaluation_count: int
    half_width: float
    is_converged: bool
    mean: float
    variance: float


def converged_indices(
    model: Callable[[np.ndarray], np.ndarray],
    factors: Sequence[str],
    seed: int,
    target_half_width: float = 0.05,
    least: int = 512,
    most: int = 8192,
) -> Sensitivity:
    """Indices of a model from as many rows as their intervals need.

    The base count is doubled until every half width is at or below the target or the most is reached. No point is
    evaluated twice.

    Args:
        model: gives one number for each row of points (rows x factors, each in 0..1).
        factors: their names.
        seed: of the design and of the resampling.
        target_half_width: of all intervals.
        least: base count to begin with, a power of two.
        most: base count to end with at the latest.
    """
    factors = tuple(factors)
    y = np.empty((2 + len(factors), 0))
    base_count = least
    while True:
        new = saltelli_design(len(factors), base_count, seed).part(slice(y.shape[1], None))
        points = np.concatenate([new.a[None], new.b[None], new.ab])
        found = np.asarray(model(points.reshape(points.shape[0] * points.shape[1], len(factors))), float)
        y = np.concatenate([y, found.reshape(len(points), -1)], axis=1)
        y_a, y_b, y_ab = y[0], y[1], y[2:]
        bounds = np.array(intervals(y_a, y_b, y_ab, seed))
        half_width = float(((bounds[:, 1] - bounds[:, 0]) / 2).max(initial=0.0))
        if half_width <= target_half_width or 2 * base_count > most:
            break
        base_count *= 2
    first, total = indices(y_a, y_b, y_ab)
    return Sensitivity(
        factors=factors,
        first_order=first,
        first_order_low=bounds[0, 0],
        first_order_high=bounds[0, 1],
        total_effect=total,
        total_effect_low=bounds[1, 0],
        total_effect_high=bounds[1, 1],
        base_count=base_count,
        evaluation_count=y.size,
        half_width=half_width,
        is_converged=half_width <= target_half_width,
        mean=float(y[:2].mean()),
        variance=float(y[:2].var()),
    )


def mean_rank_shift(ranks: np.ndarray, published: np.ndarray) -> np.ndarray:
    """How far the cities move on average in each world: the mean of \\|rank - published rank\\|.

    Args:
        ranks: worlds x cities, 0 where a city has none.
        published: by city, 0 where it has none.

    Returns:
        by world, over the cities that both rankings rank; 0 where there are none.
    """
    both = (ranks > 0) & (published > 0)
    shift = np.abs(ranks - published).sum(axis=1, where=both)
    return shift / np.maximum(both.sum(axis=1), 1)


class IndexModel:
    """An index as a function of its choices: the mean shift of the ranks of its root.

    Each choice is one number in 0..1:

    - ``weights:<primary>`` picks one of the rows of multipliers drawn for the branch: of the primary's own weight and
      of all weights below it;
    - ``normalisation`` picks one of the normalisations, for all leaves;
    - ``aggregation`` picks the published means or the others: geometric for arithmetic ones, arithmetic for the rest;
    - ``missing_policy`` picks renormalise or zero, at all inner nodes.

    A choice that can change nothing is left out; its indices are 0: the weights of a branch without siblings, a single
    normalisation, the missing policy where no leaf score is missing.

    Attributes:
        factors: the names of the choices.
        left_out: the names of those that can change nothing.
    """

    def __init__(
        self,
        tree: Tree,
        leaf_scores: Scores,
        published: np.ndarray,
        seed: int,
        low: float = 0.75,
        high: float = 1.25,
        has_aggregation: bool = True,
        batch_cells: int = BATCH_CELLS,
    ) -> None:
        """The model of one index and edition.

        Args:
            tree: the index.
            leaf_scores: of its leaves, by normalisation; lifted (``Scores.lifted``) where the aggregation is a choice.
            published: the published rank of each city in the root, 0 where it has none.
            seed: of the multipliers.
            low: the least multiplier.
            high: the greatest.
            has_aggregation: whether the aggregation is a choice.
            batch_cells: as of ``draws.rank_summary``.
        """
        self.tree = tree
        self.leaf_scores = leaf_scores
        self.published = np.asarray(published)
        self.batch_cells = batch_cells
        self.multipliers = np.random.default_rng(seed).uniform(low, high, (MULTIPLIER_ROWS, len(tree)))
        self.branches = {f"weights:{tree.codes[node]}": [node, *tree.below(node)] for node in tree.children[0]}
        can_change = {
            name: low < high and any(len(tree.children[tree.parents[node]]) > 1 for node in nodes)
            for name, nodes in self.branches.items()
        }
        can_change["normalisation"] = len(leaf_scores.values) > 1
        can_change["aggregation"] = has_aggregation and any(len(tree.children[node]) > 1 for node in tree.inner)
        can_change["missing_policy"] = bool(np.isnan(leaf_scores.values).any())
        self.factors = tuple(name for name, can in can_change.items() if can)
        self.left_out = tuple(name for name, can in can_change.items() if not can)
        self.inner = list(tree.inner)
        self.other_aggregations = tree.aggregations.copy()
        self.other_aggregations[self.inner] = [
            _OTHER_AGGREGATION[int(aggregation)] for aggregation in tree.aggregations[self.inner]
        ]

    def worlds(self, points: np.ndarray) -> Worlds:
        """The worlds at some points (rows x factors, each in 0..1)."""
        chosen = dict(zip(self.factors, points.T, strict=True))

        def pick(name: str, count: int) -> np.ndarray:
            return np.minimum((chosen[name] * count).astype(np.int64), count - 1)

        shape = (len(self.tree), len(points))
        weights = np.repeat(self.tree.weights[:, None], len(points), axis=1)
        for name, nodes in self.branches.items():
            if name in chosen:
                weights[nodes] *= self.multipliers[pick(name, MULTIPLIER_ROWS)][:, nodes].T
        for node in self.inner:
            children = list(self.tree.children[node])
            weights[children] = shares_of(weights[children])
        aggregations = policies = normalisations = None
        if "aggregation" in chosen:
            both = np.stack([self.tree.aggregations, self.other_aggregations])
            aggregations = both[pick("aggregation", 2)]
        if "missing_policy" in chosen:
            policies = np.full(shape[::-1], -1, np.int8)
            policies[:, self.inner] = np.array([RENORMALISE, ZERO], np.int8)[pick("missing_policy", 2), None]
        if "normalisation" in chosen:
            normalisations = pick("normalisation", len(self.leaf_scores.values))
        return Worlds(weights.T, aggregations, policies, normalisations)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """The mean rank shift at each point."""
        published = {self.tree.codes[0]: self.published}
        ranked = Ranked(self.tree, self.leaf_scores, self.worlds(points), nodes=(0,), published=published)

        def shifts(rows: slice) -> np.ndarray:
            ((_root, ranks),) = ranked.ranks(rows)
            return mean_rank_shift(ranks, self.published)

        return np.concatenate([np.empty(0), *ranked.over_batches(shifts, self.batch_cells)])
