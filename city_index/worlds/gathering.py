"""What the ranks of many worlds come to, city by city.

What belongs here: keeping ranks batch by batch, and percentiles and shares of them. What does not: where the worlds
come from (``draws``), who stands where in one (``ranking``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

import numpy as np

from city_index.worlds.batches import Columns
from city_index.worlds.ranking import Places

# With more cities than these, a table of how often each has each rank is not counted in every batch.
MOST_COUNTED_CITIES = 500
BLOCK_CELLS = 2**19

TOP = 10
PERCENTILES = {"rank_p05": 5, "rank_p50": 50, "rank_p95": 95}


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


class GatheredRanks:
    """What is kept of the ranks of one node, batch by batch; from any thread.

    Of few cities it is how often each has each rank. Of many it is the ranks, in the smallest numbers that hold them,
    which are counted at the end for a block of cities at a time.
    """

    def __init__(self, world_count: int, published: np.ndarray, next_city: np.ndarray, columns: Columns) -> None:
        self.published = np.asarray(published)
        self.next_city = np.asarray(next_city)
        self.columns = columns
        self.city_count = len(self.published)
        # Pairs of columns: of a city and its next one, each pair once. Cities in one column are tied in every world.
        self.has_next = self.next_city >= 0
        both = np.stack([columns.of_city, columns.of_city[self.next_city]], axis=1)
        (self.upper, self.lower), self.pair_of_city = _distinct(both, self.has_next & (both[:, 0] != both[:, 1]))
        self.lock = Lock()
        self.excess = np.zeros(len(self.upper), np.int64)
        self.pair_count = np.zeros(len(self.upper), np.int64)
        self.counts = self.ranks = None
        if self.city_count <= MOST_COUNTED_CITIES:
            self.counts = np.zeros((self.city_count + 1) * columns.count, np.int64)
        else:
            smallest = np.int16 if self.city_count <= np.iinfo(np.int16).max else np.int32
            self.ranks = np.empty((world_count, columns.count), smallest)

    def add(self, rows: slice, keys: np.ndarray, places: Places) -> None:
        """Take in some worlds: their comparable scores (worlds x columns), and who stands where."""
        upper, lower = _columns_of(keys, self.upper), _columns_of(keys, self.lower)
        excess = _sum_of_worlds((upper > lower).view(np.int8) - (upper < lower).view(np.int8))
        pair_count: np.ndarray | int = len(keys)
        if places.missing is not None:
            pair_count = _sum_of_worlds((~np.isnan(upper) & ~np.isnan(lower)).view(np.int8))
        counts = None
        if self.counts is None:
            self.ranks[rows] = places.ranks_of_columns(self.ranks.dtype)
        else:
            coded = places.ranks(unit=self.columns.count)
            coded += places.columns
            counts = np.bincount(coded.reshape(-1), minlength=len(self.counts))
        with self.lock:
            self.excess += excess
            self.pair_count += pair_count
            if counts is not None:
                self.counts += counts

    def summary(self, tiers: tuple[np.ndarray, np.ndarray] | None) -> RankSummary:
        """What the ranks come to; tiers as of ``draws.rank_summary``."""
        rows: dict[str, np.ndarray] = {
            name: np.full(self.city_count, np.nan)
            for name in ("world_count", *PERCENTILES, "share_top_10", "share_own_tier")
        }
        by_column = np.argsort(self.columns.of_city, kind="stable")
        for block, counts in self._counts():
            ends = np.searchsorted(self.columns.of_city[by_column], [block.start, block.stop])
            cities = by_column[slice(*ends)]
            of_cities = counts[self.columns.of_city[cities] - block.start]
            for name, found in of_counts(
                of_cities, None if tiers is None else [each[cities] for each in tiers]
            ).items():
                rows[name][cities] = found
        rows["share_above_next"] = self._shares_above()
        is_ranked = self.published > 0
        return RankSummary(
            **{name: np.where(is_ranked, found, np.nan) for name, found in rows.items()}, next_city=self.next_city
        )

    def _shares_above(self) -> np.ndarray:
        """The share of worlds in which each city scores higher than its next one, ties counting half."""
        with np.errstate(invalid="ignore", divide="ignore"):
            of_pairs = (1 + self.excess / self.pair_count) / 2
        return np.where(self.has_next, np.append(of_pairs, 0.5)[self.pair_of_city], np.nan)

    def _counts(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Blocks of columns, and how often each has each rank (columns x ranks; the first is that of no rank)."""
        if self.counts is not None:
            yield slice(0, self.columns.count), self.counts.reshape(self.city_count + 1, self.columns.count).T
            return
        step = max(BLOCK_CELLS // max(self.city_count + 1, len(self.ranks)), 1)
        for first in range(0, self.columns.count, step):
            block = slice(first, min(first + step, self.columns.count))
            ranks_of_block = self.ranks[:, block].astype(np.int64)
            size = ranks_of_block.shape[1]
            ranks_of_block += np.arange(size) * (self.city_count + 1)
            counts = np.bincount(ranks_of_block.reshape(-1), minlength=size * (self.city_count + 1))
            yield block, counts.reshape(size, self.city_count + 1)


def _distinct(pairs: np.ndarray, is_used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ones of some pairs (2 x distinct), and the number of each pair among them; their count if unused."""
    found, numbers = np.unique(pairs[is_used], axis=0, return_inverse=True)
    number_of = np.full(len(pairs), len(found))
    number_of[is_used] = numbers.reshape(-1)
    return found.T, number_of


def _columns_of(keys: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Some columns; not copied where they are all."""
    is_all = len(chosen) == keys.shape[1] and (chosen == np.arange(len(chosen))).all()
    return keys if is_all else np.take(keys, chosen, axis=1)


# So many worlds are summed in the smallest numbers at a time.
_SMALL_SUM = 127


def _sum_of_worlds(signs: np.ndarray) -> np.ndarray:
    """The sum over worlds of -1, 0 and 1 (worlds x cities)."""
    even = len(signs) - len(signs) % _SMALL_SUM
    stack = signs[:even].reshape(even // _SMALL_SUM, _SMALL_SUM, signs.shape[1])
    parts = np.add.reduce(stack, axis=1, dtype=np.int8)
    rest = np.add.reduce(signs[even:], axis=0, dtype=np.int8)
    return parts.sum(axis=0, dtype=np.int64) + rest


def of_counts(counts: np.ndarray, tiers: list[np.ndarray] | None) -> dict[str, np.ndarray]:
    """What counts of ranks come to.

    Args:
        counts: cities x ranks from 0, which is none.
        tiers: the best and the worst rank of each city's tier.
    """
    city_count, width = counts.shape
    counts = counts.copy()
    counts[:, 0] = 0
    # Over all cities in one row, which never falls, so that one search finds the percentiles of all.
    running = counts.ravel().cumsum()
    below = running.reshape(city_count, width)
    before = below[:, 0]
    world_count = below[:, -1] - before
    cities = np.arange(city_count)
    found = {"world_count": world_count.astype(float)}
    for name, percent in PERCENTILES.items():
        # In whole numbers, so that no share is a rounding away from its bound.
        least = -(-percent * world_count // 100)
        rank = np.searchsorted(running, before + least) - cities * width
        found[name] = np.where(world_count > 0, rank, np.nan)
    with np.errstate(invalid="ignore"):
        found["share_top_10"] = (below[:, min(TOP, width - 1)] - before) / world_count
        if tiers is not None:
            best, worst = (np.nan_to_num(np.asarray(each, float)).astype(np.int64) for each in tiers)
            within = below[cities, np.clip(worst, 0, width - 1)] - below[cities, np.clip(best - 1, 0, width - 1)]
            found["share_own_tier"] = np.where((best > 0) & (worst > 0), within / world_count, np.nan)
    return found
