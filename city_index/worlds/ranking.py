"""Ranks of many worlds at once.

What belongs here: at which value scores are compared, and who stands where. One row is one world.
"""

from __future__ import annotations

import numpy as np

DECIMALS = 9
UNITS = 10.0**DECIMALS

# A double holds every whole number of this many bits.
_EXACT_BITS = 53


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
    return ranks_of_keys(comparable(scores))


def ranks_of_keys(keys: np.ndarray) -> np.ndarray:
    """The same from scores that are comparable already."""
    cities, ranks_by_place = places(keys)
    found = np.empty_like(ranks_by_place)
    put(found, cities, ranks_by_place)
    return found


def put(target: np.ndarray, cities: np.ndarray, ranks_by_place: np.ndarray) -> None:
    """Put ranks by place to their cities; the cities are used up.

    Args:
        target: worlds x cities, in one piece.
        cities: as of ``places``.
        ranks_by_place: as of ``places``.
    """
    cities += np.arange(len(target))[:, None] * target.shape[1]
    target.reshape(-1)[cities.reshape(-1)] = ranks_by_place.reshape(-1).astype(target.dtype, copy=False)


def places(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Who stands where, best first.

    The key and the number of a city are packed into one whole number, because plain numbers are sorted several times as
    fast as their places in an array. Keys that are too large for that are sorted by their places.

    Args:
        keys: comparable scores (worlds x cities), nan where missing.

    Returns:
        the cities by place (worlds x cities), and the rank at each place (worlds x cities), 0 where the score is
        missing. Tied cities stand in their own order, missing ones last.
    """
    city_count = keys.shape[1]
    found = np.empty(keys.shape, np.int64)
    found[:] = np.arange(1, city_count + 1)
    if keys.size == 0:
        return np.zeros(keys.shape, np.int64), found
    lowest, highest = keys.min(), keys.max()
    missing = np.isnan(keys) if np.isnan(lowest) else None
    if missing is not None:
        lowest, highest = (find(keys, where=~missing, initial=0.0) for find in (np.min, np.max))
    bits = max(city_count - 1, 1).bit_length()
    if max(-lowest, highest) < 2.0 ** (_EXACT_BITS - 1 - bits):
        cities, ordered = _packed_places(keys, missing, bits)
    else:
        cities = np.argsort(-keys, axis=1, kind="stable")
        ordered = np.take_along_axis(keys, cities, axis=1)
    # Over all worlds in one row, which is faster; the first place of a world is tied with none.
    ordered = ordered.ravel()
    is_tied = ordered[1:] == ordered[:-1]
    is_tied[city_count - 1 :: city_count] = False
    tied = np.flatnonzero(is_tied)
    if len(tied):
        # A run of places that are tied with the one before them takes the rank of the place before its first.
        begins = np.empty(len(tied), bool)
        begins[0] = True
        np.greater(tied[1:] - tied[:-1], 1, out=begins[1:])
        first = np.maximum.accumulate(np.where(begins, tied, 0))
        found.ravel()[tied + 1] -= tied + 1 - first
    if missing is not None:
        present = city_count - missing.sum(axis=1)
        found[np.arange(city_count) >= present[:, None]] = 0
    return cities, found


def _packed_places(keys: np.ndarray, missing: np.ndarray | None, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """The cities by place, and what tells their keys apart there."""
    packed = keys * -(2.0**bits)
    if missing is not None:
        packed[missing] = 2.0**_EXACT_BITS - 2.0**bits
    packed += np.arange(float(keys.shape[1]))
    packed.sort(axis=1)
    whole = packed.astype(np.int64)
    cities = whole & ((1 << bits) - 1)
    whole >>= bits
    return cities, whole
