"""The audit of an index once more, with numpy and scipy: distributions, correlations, consistency and weights.

Written from docs/audit.md and with nothing of the project's SQL or models. What goes in are published scores and
observed values as columns of numbers, NaN where there is none; None comes out where something is not defined.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Numbers = NDArray[np.float64]

DECIMALS = 9
LEAST_CITIES = 3
# What two eigenvalues differ by at least, so that they are two.
DISTINCT = 1e-9


def has_spread(numbers: Numbers, decimals: int | None = DECIMALS) -> bool:
    """Whether numbers differ, at a number of decimals or at all."""
    compared = numbers if decimals is None else np.round(numbers, decimals)
    return len(numbers) > 0 and bool(compared.max() > compared.min())


def _from_least(numbers: Numbers) -> Numbers:
    """Differences from the least number are exact where numbers are close, which deviations from a mean are not."""
    return numbers - numbers.min()


def distribution(cells: Numbers, decimals: int | None) -> dict[str, Any]:
    """What fct_indicator_stats says of a node; decimals says how values are told apart."""
    numbers = cells[~np.isnan(cells)]
    count, is_spread = len(numbers), has_spread(numbers, decimals)
    compared = numbers if decimals is None else np.round(numbers, decimals)
    missing = len(cells) - count
    found: dict[str, Any] = {
        "city_count": count,
        "missing_count": missing,
        "min_value": numbers.min() if count else None,
        "max_value": numbers.max() if count else None,
        "mean_value": math.fsum(numbers) / count if count else None,
        "sd_value": (np.std(_from_least(numbers), ddof=1) if is_spread else 0.0) if count > 1 else None,
        "skewness": stats.skew(_from_least(numbers), bias=False) if is_spread and count > 2 else None,
        "kurtosis": stats.kurtosis(_from_least(numbers), bias=False) if is_spread and count > 3 else None,
        "zero_count": int((compared == 0).sum()),
        "unique_share": len(set(compared)) / count if count else None,
        "is_all_missing": count == 0,
        "is_constant": count > 0 and not is_spread,
        "is_sparse": len(cells) > 0 and 3 * missing > len(cells),
    }
    found["has_outliers"] = found["kurtosis"] is not None and abs(found["skewness"]) > 2 and found["kurtosis"] > 3.5
    names = ("is_all_missing", "is_constant", "has_outliers", "is_sparse")
    flags = [name.removeprefix("is_").removeprefix("has_") for name in names if found[name]]
    return {**found, "flags": ", ".join(flags) or None}


def correlations(one: Numbers, other: Numbers) -> dict[str, Any]:
    """What fct_correlations says of two nodes."""
    both = ~np.isnan(one) & ~np.isnan(other)
    first, second = one[both], other[both]
    found: dict[str, Any] = {"city_count": int(both.sum()), "pearson": None, "spearman": None}
    if both.sum() >= LEAST_CITIES and has_spread(first) and has_spread(second):
        found["pearson"] = np.corrcoef(_from_least(first), _from_least(second))[0, 1]
        found["spearman"] = stats.spearmanr(np.round(first, DECIMALS), np.round(second, DECIMALS)).statistic
    return found


class Group:
    """The children of a parent, over the cities in which all of them have a score.

    Args:
        scores: one row for each city, one column for each child.
        weights: of the framework, as shares of the parent.
    """

    def __init__(self, scores: Numbers, weights: Numbers) -> None:
        self.scores = scores[~np.isnan(scores).any(axis=1)]
        self.weights = weights
        self.count = scores.shape[1]
        self.is_measurable = len(self.scores) >= LEAST_CITIES
        self.is_spread = self.is_measurable and all(has_spread(column) for column in self.scores.T)
        if self.is_spread:
            shifted = self.scores - self.scores.min(axis=0)
            self.places = shifted / shifted.max(axis=0)
            self.deviations = np.std(shifted, axis=0, ddof=1)
            self.correlations = np.corrcoef(self.places.T) if self.count > 1 else np.eye(1)

    def cronbach_alpha(self) -> float | None:
        """Consistency of the raw scores; a child without spread has no variance."""
        if not self.is_measurable or self.count < 2:
            return None
        spread = [has_spread(column) for column in self.scores.T]
        shifted = (self.scores - self.scores.min(axis=0)) * spread
        variance_of_sum = np.var(shifted.sum(axis=1), ddof=1)
        if not any(spread) or variance_of_sum <= 0:
            return None
        return self.count / (self.count - 1) * (1 - np.var(shifted, axis=0, ddof=1).sum() / variance_of_sum)

    def _components(self) -> tuple[Numbers, Numbers]:
        """Shares of variance and loadings of the principal components, by the singular values of standard scores."""
        standard = (self.places - self.places.mean(axis=0)) / self.places.std(axis=0)
        _left, singular, right = np.linalg.svd(standard, full_matrices=False)
        return singular**2 / (singular**2).sum(), right

    def first_component_share(self) -> float | None:
        """Share of the variance of the first principal component."""
        return self._components()[0][0] if self.is_spread and self.count > 1 else None

    def weight_set(self, name: str) -> Numbers | None:
        """The weights of a set, as shares; None where it gives none. Not for the optimised ones: see ``misfit``."""
        if name == "printed":
            return self.weights
        if name == "equal" or self.count == 1:
            return np.full(self.count, 1 / self.count)
        if not self.is_spread:
            return None
        information = getattr(self, f"_{name}")()
        return None if information is None or information.sum() <= 0 else information / information.sum()

    def _entropy(self) -> Numbers:
        shares = self.places / self.places.sum(axis=0)
        terms = np.where(shares > 0, shares * np.log(np.where(shares > 0, shares, 1)), 0)
        return 1 + terms.sum(axis=0) / np.log(len(shares))

    def _critic(self) -> Numbers:
        conflict = (1 - self.correlations).sum(axis=0)
        return np.std(self.places, axis=0, ddof=1) * np.where(np.round(conflict, DECIMALS) > 0, conflict, 0)

    def _principal_component(self) -> Numbers | None:
        shares, loadings = self._components()
        is_single = len(shares) == 1 or (shares[0] - shares[1]) * self.count > DISTINCT
        return loadings[0] ** 2 if is_single else None

    @property
    def can_be_optimised(self) -> bool:
        """Whether no child is a sum of its siblings, so that weights can be told apart by what they do."""
        return self.is_spread and self.count > 1 and np.linalg.eigvalsh(self.correlations)[0] >= DISTINCT

    def importance(self, weights: Numbers) -> Numbers | None:
        """The children's correlations with their arithmetic mean under weights, as shares of their sum."""
        parent = self.scores @ weights
        found = np.array([np.corrcoef(column, parent)[0, 1] for column in self.scores.T])
        return found / found.sum() if found.sum() > 0 else None

    def misfit(self, weights: Numbers) -> float:
        """How far the importance under weights is from the framework's weights, as a sum of squares."""
        importance = self.importance(weights)
        return math.inf if importance is None else float(((importance - self.weights) ** 2).sum())

    def exact_weights(self) -> Numbers | None:
        """The weights whose importance is the framework's, where they are all above 0: those whose R D w is w*."""
        weights = np.linalg.solve(self.correlations, self.weights) / self.deviations
        return weights / weights.sum() if (weights > 0).all() else None


def pairs_of(codes: list[str]) -> list[tuple[str, str]]:
    """Each unordered pair of codes once, the first by alphabet first."""
    return list(combinations(sorted(codes), 2))
