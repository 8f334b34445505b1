"""What the ranks of many worlds come to, city by city.

What belongs here: keeping ranks batch by batch, and percentiles and shares of them. What does not: where the worlds
come from (``draws``), who stands where in one (``ranking``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

import numpy as np

from city_index.worlds.ranking import places, put

# With more cities than these, a table of how often each has each rank is not counted in every batch.
MOST_COUNTED_CITIES = 500
BLOCK_CELLS = 2**20

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

    def __init__(self, world_count: int, published: np.ndarray, next_city: np.ndarray) -> None:
        self.published = np.asarray(published)
        self.next_city = np.asarray(next_city)
        self.city_count = len(self.published)
        self.has_next = self.next_city >= 0
        # A city without a next one is compared with itself, to no end.
        self.lower = np.where(self.has_next, self.next_city, np.arange(self.city_count))
        self.lock = Lock()
        self.excess = np.zeros(self.city_count, np.int64)
        self.pair_count = np.zeros(self.city_count, np.int64)
        self.counts = self.ranks = None
        if self.city_count <= MOST_COUNTED_CITIES:
            self.counts = np.zeros((self.city_count + 1) * self.city_count, np.int64)
        else:
            smallest = np.int16 if self.city_count <= np.iinfo(np.int16).max else np.int32
            self.ranks = np.empty((world_count, self.city_count), smallest)

    def add(self, rows: slice, keys: np.ndarray) -> None:
        """Take in the comparable scores of some worlds (worlds x cities)."""
        cities, ranks_by_place = places(keys)
        lower = np.take(keys, self.lower, axis=1)
        excess = _sum_of_worlds((keys > lower).view(np.int8) - (keys < lower).view(np.int8))
        pair_count: np.ndarray | int = len(keys)
        if np.isnan(keys.min(initial=0.0)):
            pair_count = _sum_of_worlds((~np.isnan(keys) & ~np.isnan(lower)).view(np.int8))
        counts = None
        if self.counts is None:
            put(self.ranks[rows], cities, ranks_by_place)
        else:
            ranks_by_place *= self.city_count
            ranks_by_place += cities
            counts = np.bincount(ranks_by_place.ravel(), minlength=len(self.counts))
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
        for block, counts in self._counts():
            for name, found in of_counts(counts, None if tiers is None else [each[block] for each in tiers]).items():
                rows[name][block] = found
        with np.errstate(invalid="ignore", divide="ignore"):
            above = (1 + self.excess / self.pair_count) / 2
        rows["share_above_next"] = np.where(self.has_next & (self.pair_count > 0), above, np.nan)
        is_ranked = self.published > 0
        return RankSummary(
            **{name: np.where(is_ranked, found, np.nan) for name, found in rows.items()}, next_city=self.next_city
        )

    def _counts(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Blocks of cities, and how often each has each rank (cities x ranks; the first is that of no rank)."""
        if self.counts is not None:
            yield slice(0, self.city_count), self.counts.reshape(self.city_count + 1, self.city_count).T
            return
        step = max(BLOCK_CELLS // max(self.city_count + 1, len(self.ranks)), 1)
        for first in range(0, self.city_count, step):
            block = slice(first, min(first + step, self.city_count))
            ranks_of_block = self.ranks[:, block].astype(np.int64)
            size = ranks_of_block.shape[1]
            ranks_of_block += np.arange(size) * (self.city_count + 1)
            counts = np.bincount(ranks_of_block.ravel(), minlength=size * (self.city_count + 1))
            yield block, counts.reshape(size, self.city_count + 1)


# So many worlds are summed in the smallest numbers at a time.
_SMALL_SUM = 127


def _sum_of_worlds(signs: np.ndarray) -> np.ndarray:
    """The sum over worlds of -1, 0 and 1 (worlds x cities)."""
    even = len(signs) - len(signs) % _SMALL_SUM
    parts = np.add.reduce(signs[:even].reshape(-1, _SMALL_SUM, signs.shape[1]), axis=1, dtype=np.int8)
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
