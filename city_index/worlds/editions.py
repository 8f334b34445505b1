"""Editions as the warehouse has them, made into trees and scores; and what is asked of each in many worlds.

What belongs here: going from the rows of models to arrays and back. The arithmetic stands in the other modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from city_index.frames import frame_of
from city_index.worlds.draws import draw_methods, draw_weights, leave_one_out, rank_summary
from city_index.worlds.sensitivity import IndexModel, Sensitivity, converged_indices
from city_index.worlds.tree import Scores, Tree, Worlds

if TYPE_CHECKING:
    import pandas

    from city_index.frames import Table

WEIGHTS = "weights"
METHOD = "method"
LEAVE_ONE_OUT = "leave_one_out"

KEY = ["index_code", "edition"]
PUBLISHED = "scenario = 'published'"

# Draws are numbers for every world and node, 8 bytes each: of very wide trees there are fewer worlds.
MOST_CELLS = 100_000_000
# Leaving out each node of a tree takes as many worlds as it has nodes.
MOST_NODES_LEFT_OUT = 2_000
LEAST_ROWS = 64

# The measures of a choice, as `Sensitivity` has them.
_MEASURES = (
    "first_order",
    "first_order_low",
    "first_order_high",
    "total_effect",
    "total_effect_low",
    "total_effect_high",
)

# Beyond these decimals lie the last bits of sums.
DECIMALS = 12


@dataclass(frozen=True)
class EditionScores:
    """One edition of an index.

    Attributes:
        key: index and edition.
        seed: of everything random.
        tree: its tree.
        published_scores: of its leaves, as published.
        lifted_scores: these, and beside them those of other normalisations that could have been chosen, on the scale
            1..100, where every mean is defined.
        published: by the code of the root and of each primary the published rank of each city, 0 where it has none.
        tiers: for each city the best and the worst published rank of its tier, 0 where it has none.
    """

    key: tuple[str, str]
    seed: int
    tree: Tree
    published_scores: Scores
    lifted_scores: Scores
    published: dict[str, np.ndarray]
    tiers: tuple[np.ndarray, np.ndarray]

    @property
    def cities(self) -> tuple[str, ...]:
        """The codes of its cities, in the order of all arrays."""
        return self.published_scores.cities

    def worlds(self, scenario: str, draw_count: int) -> tuple[Worlds, Scores]:
        """The worlds of a scenario, and the scores that they are made from."""
        if scenario == LEAVE_ONE_OUT:
            return leave_one_out(self.tree), self.published_scores
        # The scenarios draw the same weights, so that what differs between them is the method.
        generator = np.random.default_rng(self.seed)
        if scenario == WEIGHTS:
            return Worlds(draw_weights(self.tree, draw_count, generator)), self.published_scores
        normalisation_count = len(self.lifted_scores.values)
        return draw_methods(self.tree, draw_count, generator, normalisation_count), self.lifted_scores


def read_editions(
    settings: Table,
    nodes: Table,
    scores: Table,
    alternatives: Table,
    ranks: Table,
    tiers: Table,
) -> Iterator[EditionScores]:
    """The editions that have a city with a total, one after another: in memory are the rows of one.

    Args:
        settings: int_edition_settings.
        nodes: int_scenario_indicators.
        scores: int_tertiary_scores.
        alternatives: int_alternative_scores.
        ranks: int_upper_ranks.
        tiers: int_city_tiers.
    """
    cell = ["city_code", "indicator_code"]
    for row in frame_of(settings, [*KEY, "random_seed"]).sort_values(KEY).itertuples(index=False):
        key = (row.index_code, row.edition)
        of_edition = dict(zip(KEY, key, strict=True))
        rows = {
            "nodes": frame_of(nodes, where=PUBLISHED, equal=of_edition),
            "scores": frame_of(scores, [*cell, "score"], PUBLISHED, of_edition),
            "ranks": frame_of(ranks, [*cell, "rank"], equal=of_edition),
        }
        if any(frame.empty for frame in rows.values()):
            continue
        rows["alternatives"] = frame_of(alternatives, ["scenario", *cell, "score"], equal=of_edition)
        rows["tiers"] = frame_of(tiers, ["city_code", "tier_code"], equal=of_edition)
        edition = _edition(key, int(row.random_seed), rows)
        if (edition.published[edition.tree.codes[0]] > 0).any():
            yield edition


def _edition(key: tuple[str, str], seed: int, rows: dict[str, Any]) -> EditionScores:
    tree = Tree.of(rows["nodes"].to_dict("records"))
    cities = sorted(rows["scores"]["city_code"].unique())

    def scores_of(frame: pandas.DataFrame) -> Scores:
        return Scores.of(tree, cities, frame["city_code"], frame["indicator_code"], frame["score"].to_numpy(float))

    base = scores_of(rows["scores"])
    others = []
    for _scenario, frame in rows["alternatives"].groupby("scenario", sort=True):
        found = scores_of(frame).values
        # A tertiary without such an alternative, and a city that it leaves without a score, keep the published one.
        others.append(Scores(base.cities, np.where(np.isnan(found), base.values, found)))
    scores = base.beside(*others) if others else base
    return EditionScores(
        key=key,
        seed=seed,
        tree=tree,
        published_scores=base,
        lifted_scores=scores.lifted(*_scale(tree, rows["nodes"], scores)),
        published=_published(tree, cities, rows["ranks"]),
        tiers=_tiers(cities, rows["ranks"], rows["tiers"], tree.codes[0]),
    )


def _numbers(codes: list[str]) -> dict[str, int]:
    """The place of each code."""
    return {code: place for place, code in enumerate(codes)}


def _scale(tree: Tree, nodes: pandas.DataFrame, scores: Scores) -> tuple[float, float]:
    """Both ends of one scale that holds the scores of all leaves.

    One for all, so that the map onto 1..100 weighs no leaf anew: under arithmetic means it changes no ranking. It holds
    the scales of the framework, the scores where they reach beyond or have none, and 0 where a missing child counts as
    that.
    """
    leaves = nodes[nodes["indicator_code"].isin([tree.codes[leaf] for leaf in tree.leaves])]
    scaled = leaves[~leaves["normalisation"].isin(("z_score", "rank", "borda"))]
    ends = [scaled["scale_low"].to_numpy(float), scaled["scale_high"].to_numpy(float), scores.values.ravel()]
    if (nodes["missing_policy"] == "zero").any():
        ends.append(np.zeros(1))
    found = np.concatenate(ends)
    found = found[np.isfinite(found)]
    if not found.size:
        return 0.0, 1.0
    low, high = float(found.min()), float(found.max())
    return (low, high) if high > low else (low, low + 1.0)


def _published(tree: Tree, cities: list[str], ranks: pandas.DataFrame) -> dict[str, np.ndarray]:
    places = _numbers(cities)
    published = {tree.codes[node]: np.zeros(len(cities), np.int64) for node in tree.ranked}
    for code, rows in ranks[ranks["rank"].notna()].groupby("indicator_code"):
        if code in published:
            published[code][rows["city_code"].map(places)] = rows["rank"].astype(np.int64)
    return published


def _tiers(
    cities: list[str], ranks: pandas.DataFrame, tiers: pandas.DataFrame, root: str
) -> tuple[np.ndarray, np.ndarray]:
    best, worst = np.zeros(len(cities), np.int64), np.zeros(len(cities), np.int64)
    tiers = tiers.dropna()
    if tiers.empty:
        return best, worst
    of_root = ranks[(ranks["indicator_code"] == root) & ranks["rank"].notna()]
    joined = of_root.merge(tiers, on="city_code")
    spans = joined.groupby("tier_code")["rank"]
    places = joined["city_code"].map(_numbers(cities))
    best[places], worst[places] = spans.transform("min"), spans.transform("max")
    return best, worst


def rank_rows(edition: EditionScores, draw_count: int) -> Iterator[dict[str, Any]]:
    """The ranks of every city in every scenario, as rows: of the root and of the primaries.

    Args:
        edition: the edition.
        draw_count: worlds of the scenarios that draw; fewer of a tree with more than 10,000 nodes. Of one with more
            than 2,000 the scenario that leaves each node out is left out itself.
    """
    node_count = len(edition.tree)
    draw_count = min(draw_count, max(MOST_CELLS // node_count, 1))
    scenarios = (WEIGHTS, METHOD, LEAVE_ONE_OUT) if node_count <= MOST_NODES_LEFT_OUT else (WEIGHTS, METHOD)
    for scenario in scenarios:
        worlds, scores = edition.worlds(scenario, draw_count)
        found = rank_summary(edition.tree, scores, worlds, edition.published, edition.tiers)
        for code, summary in found.items():
            for place in np.flatnonzero(edition.published[code] > 0):
                follows = int(summary.next_city[place])
                yield {
                    "index_code": edition.key[0],
                    "edition": edition.key[1],
                    "scenario": scenario,
                    "indicator_code": code,
                    "city_code": edition.cities[place],
                    "rank": int(edition.published[code][place]),
                    "rank_p05": summary.rank_p05[place],
                    "rank_p50": summary.rank_p50[place],
                    "rank_p95": summary.rank_p95[place],
                    "top10_share": np.round(summary.share_top_10[place], DECIMALS),
                    "own_tier_share": np.round(summary.share_own_tier[place], DECIMALS),
                    "above_next_share": np.round(summary.share_above_next[place], DECIMALS),
                    "next_city_code": edition.cities[follows] if follows >= 0 else None,
                    "ranked_draw_count": int(summary.world_count[place]),
                    "draw_count": len(worlds),
                    "random_seed": edition.seed,
                }


def sensitivity_rows(edition: EditionScores, target_half_width: float, most: int) -> Iterator[dict[str, Any]]:
    """What the mean shift of the ranks of the total is sensitive to, as rows by factor.

    Args:
        edition: the edition.
        target_half_width: of the widest bootstrap interval.
        most: the most rows of the design, a power of two; fewer where tree and choices are very many.
    """
    root = edition.tree.codes[0]
    model = IndexModel(edition.tree, edition.lifted_scores, edition.published[root], edition.seed)
    while most > LEAST_ROWS and most * (len(model.factors) + 2) * len(edition.tree) > MOST_CELLS:
        most //= 2
    found: Sensitivity = converged_indices(
        model, model.factors, edition.seed, target_half_width, least=min(512, most), most=most
    )
    for number, factor in enumerate(found.factors):
        measures = {name: np.round(getattr(found, name)[number], DECIMALS) for name in _MEASURES}
        yield _sensitivity_row(edition, factor, found, can_vary=True, measures=measures)
    for factor in model.left_out:
        yield _sensitivity_row(edition, factor, found, can_vary=False, measures=dict.fromkeys(_MEASURES, 0.0))


def _sensitivity_row(
    edition: EditionScores, factor: str, found: Sensitivity, can_vary: bool, measures: dict[str, float]
) -> dict[str, Any]:
    kind, _colon, indicator_code = factor.partition(":")
    return {
        "index_code": edition.key[0],
        "edition": edition.key[1],
        "factor": kind,
        "indicator_code": indicator_code or None,
        "can_vary": can_vary,
        **measures,
        "mean_rank_shift": np.round(found.mean, DECIMALS),
        "variance": np.round(found.variance, DECIMALS),
        "base_count": found.base_count,
        "evaluation_count": found.evaluation_count,
        "half_width": np.round(found.half_width, DECIMALS),
        "is_converged": found.is_converged,
        "random_seed": edition.seed,
    }
