"""Whether something grows over a series of nights: a robust slope, and how sure it is.

The slope is Theil's and Sen's, the median of the slopes of all pairs, with the confidence interval that follows from
Kendall's rank correlation (P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, 1968): a few slow
nights do not move it, as they would a least-squares line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

# How far something may rise over a hundred nights, as a share of its median, and still be called flat.
TOLERATED_RISE = 0.05
_CONFIDENCE = 0.95
# Two nights make a line through anything.
LEAST_NIGHTS = 3


@dataclass(frozen=True)
class Slope:
    """How a figure moves over the nights.

    Attributes:
        median: the median of the figure, in its unit.
        rise: how far it moves in a hundred nights, as a share of its median.
        low: the lower end of the interval of ``rise`` at 95 % confidence.
        high: the upper end.
    """

    median: float
    rise: float
    low: float
    high: float

    @property
    def is_flat(self) -> bool:
        """Whether it does not rise: no further than is tolerated, or no further than chance. Falling is no fault."""
        return self.rise <= TOLERATED_RISE or self.low <= 0


def slope(values: list[float]) -> Slope:
    """The slope of a series of at least three figures, one a night.

    Raises:
        ValueError: there are fewer than three.
    """
    if len(values) < LEAST_NIGHTS:
        raise ValueError(f"a slope needs at least {LEAST_NIGHTS} nights; there are {len(values)}")
    middle = float(np.median(values))
    if np.ptp(values) == 0 or middle == 0:
        # Nothing moves, or the figure is mostly nought: a share of it would say nothing.
        rise = 0.0 if np.ptp(values) == 0 else float(np.mean(values[-len(values) // 3 :]) > np.mean(values))
        return Slope(middle, rise, rise, rise)
    found = stats.theilslopes(values, np.arange(len(values)), alpha=_CONFIDENCE)
    share = 100 / middle
    return Slope(middle, *(float(end) * share for end in (found.slope, found.low_slope, found.high_slope)))
