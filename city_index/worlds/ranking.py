"""Ranks of many worlds at once.

What belongs here: at which value scores are compared, and who stands where. One row is one world. Cities that have the
same score in every world may share a column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

DECIMALS = 9
UNITS = 10.0**DECIMALS

# A double holds every whole number of this many bits, and one bit less beside the number below.
_EXACT_BITS = 53
# Added to a whole number, it leaves that number in the last bits of the double.
_WHOLE = 1.5 * 2.0 ** (_EXACT_BITS - 1)


def comparable(scores: np.ndarray) -> np.ndarray:
    """The values at which scores are compared: whole units of the ninth decimal, nan where a score is missing.

    Args:
        scores: of any shape; below 1e299 in size.
    """
    return np.rint(scores * UNITS)


def ranks(scores: np.ndarray) -> np.ndarray:
    """The rank of every city in every world: highest score first, ties share the smallest rank (1, 1, 3).

    Args:
        scores: worlds x cities, nan where missing.

    Returns:
        worlds x cities, whole numbers; 0 where the score is missing.
    """
    return places(comparable(scores)).ranks_of_columns()


@dataclass
class Places:
    """Who stands where, best first.

    Attributes:
        columns: by place (worlds x columns). Tied ones stand in their own order, missing ones last.
        tied: the places that are tied with the one before them, counted over all worlds in one row.
        missing: the places without a score, counted in the same way; None where there are none.
        sizes: how many cities share each column; None where each stands for one.
    """

    columns: np.ndarray
    tied: np.ndarray
    missing: np.ndarray | None
    sizes: np.ndarray | None

    def ranks(self, unit: int = 1) -> np.ndarray:
        """The rank at each place (worlds x columns), times a unit; 0 where a score is missing."""
        found = np.empty(self.columns.shape, np.int64)
        if self.sizes is None:
            found[:] = np.arange(unit, unit * (found.shape[1] + 1), unit)
        else:
            sizes = np.take(self.sizes * unit, self.columns)
            np.cumsum(sizes, axis=1, out=found)
            found -= sizes
            found += unit
        if len(self.tied):
            # A run of places that are tied with the one before them takes the rank of the place before its first.
            in_a_row = found.reshape(-1)
            begins = np.flatnonzero(np.diff(self.tied, prepend=-1) > 1)
            before = np.repeat(self.tied[begins] - 1, np.diff(begins, append=len(self.tied)))
            in_a_row[self.tied] = in_a_row[before]
        if self.missing is not None:
            found.reshape(-1)[self.missing] = 0
        return found

    def ranks_of_columns(self, data_type: type = np.int64) -> np.ndarray:
        """The rank of each column (worlds x columns); 0 where a score is missing."""
        found = np.empty(self.columns.shape, data_type)
        at = self.columns + np.arange(len(found))[:, None] * found.shape[1]
        found.reshape(-1)[at.reshape(-1)] = self.ranks().reshape(-1).astype(data_type, copy=False)
        return found


@dataclass(frozen=True)
class Unsettled:
    """Keys of which the last bits are not certain, but for those made in a fixed way.

    Attributes:
        settled: gives the keys of some worlds, made in the fixed way (their numbers -> worlds x columns).
        margin: keys of one world that lie further apart than this keep their order in the fixed way.
        largest: no key is larger in size.
    """

    settled: Callable[[np.ndarray], np.ndarray]
    margin: float
    largest: float


def places(keys: np.ndarray, sizes: np.ndarray | None = None, unsettled: Unsettled | None = None) -> Places:
    """Who stands where.

    The key and the number of a column are packed into one whole number, because plain numbers are sorted several times
    as fast as their places in an array. Keys that are too large for that are sorted by their places.

    Args:
        keys: comparable scores (worlds x columns), nan where missing. Those of worlds in which some lie too near each
            other are settled in place.
        sizes: how many cities share each column; one by default.
        unsettled: how keys that lie near each other are settled, where that is needed; none is missing then.
    """
    column_count = keys.shape[1]
    missing = None
    if keys.size == 0:
        return Places(np.zeros(keys.shape, np.int64), np.zeros(0, np.int64), None, sizes)
    if unsettled is not None:
        largest = unsettled.largest
    else:
        missing = np.isnan(keys) if np.isnan(keys.min()) else None
        largest = np.abs(keys).max(where=True if missing is None else ~missing, initial=0.0)
    bits = max(column_count - 1, 1).bit_length()
    sort = _sort_packed if largest < 2.0 ** (_EXACT_BITS - 3 - bits) else _sort_by_place
    columns, ordered = sort(keys, missing, bits)
    if unsettled is not None:
        near = np.unique(_next_to_each_other(ordered, unsettled.margin) // column_count)
        if len(near):
            keys[near] = unsettled.settled(near)
            columns[near], ordered[near] = sort(keys[near], None, bits)
    tied = _next_to_each_other(ordered, 0) if unsettled is None or len(near) else np.zeros(0, np.int64)
    if missing is not None:
        present = column_count - missing.sum(axis=1)
        missing = np.flatnonzero(np.arange(column_count) >= present[:, None])
    return Places(columns, tied, missing, sizes)


def _next_to_each_other(ordered: np.ndarray, margin: float) -> np.ndarray:
    """The places, counted over all worlds in one row, whose keys are within a margin of the one before them."""
    in_a_row = ordered.reshape(-1)
    is_near = in_a_row[1:] - in_a_row[:-1] <= margin if margin else in_a_row[1:] == in_a_row[:-1]
    is_near[ordered.shape[1] - 1 :: ordered.shape[1]] = False  # the first place of the next world
    return np.flatnonzero(is_near) + 1


def _sort_packed(keys: np.ndarray, missing: np.ndarray | None, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """The columns by place, and whole numbers that are as far apart there as the keys."""
    packed = keys * -(2.0**bits)
    if missing is not None:
        packed[missing] = 2.0 ** (_EXACT_BITS - 3)
    packed += np.arange(_WHOLE, _WHOLE + keys.shape[1])
    packed.sort(axis=1)
    whole = packed.view(np.int64)
    columns = whole & ((1 << bits) - 1)
    whole >>= bits
    return columns, whole


def _sort_by_place(keys: np.ndarray, _missing: np.ndarray | None, _bits: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for keys of any size."""
    columns = np.argsort(-keys, axis=1, kind="stable")
    return columns, -np.take_along_axis(keys, columns, axis=1)
