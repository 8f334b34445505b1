"""The cities that are most like a city: the nearest ones by their profile of secondary scores.

The distance of two cities is the root mean square difference of their secondary scores, each divided by its standard
deviation over the cities, so that no indicator counts more because it spreads more. A secondary that either city lacks
is left out; two cities that share less than half of them are not compared.
"""

from __future__ import annotations

import numpy as np

from city_index.report.reading import EditionContents

PEER_COUNT = 5

_BLOCK = 256


def nearest_cities(contents: EditionContents) -> dict[str, list[tuple[str, float]]]:
    """For each city with a page its nearest ones with their distances, in standard deviations, the nearest first."""
    codes = list(contents.cities)
    nodes = [node["indicator_code"] for node in contents.level(2)]
    profiles = np.full((len(codes), len(nodes)), np.nan)
    for place, code in enumerate(codes):
        scores = contents.scores.get(code, {})
        for column, node in enumerate(nodes):
            score = scores.get(node, {}).get("score")
            if score is not None:
                profiles[place, column] = score
    with np.errstate(invalid="ignore", over="ignore"):
        known = np.isfinite(profiles)
        counts = known.sum(axis=0)
        means = np.where(known, profiles, 0).sum(axis=0) / np.maximum(counts, 1)
        deviations = np.sqrt(np.where(known, (profiles - means) ** 2, 0).sum(axis=0) / np.maximum(counts - 1, 1))
        # Where all cities are alike, none is nearer than another.
        used = (deviations > 0) & np.isfinite(deviations)
        standard = np.where(known, (profiles - means), 0)[:, used] / deviations[used]
    known = known[:, used].astype(float)
    found: dict[str, list[tuple[str, float]]] = {}
    for start in range(0, len(codes), _BLOCK):
        here = slice(start, start + _BLOCK)
        shared = known[here] @ known.T
        squares = (standard[here] ** 2) @ known.T + known[here] @ (standard**2).T - 2 * standard[here] @ standard.T
        with np.errstate(invalid="ignore", divide="ignore"):
            distances = np.sqrt(np.maximum(squares, 0) / shared)
        distances[shared < max(used.sum() / 2, 1)] = np.inf
        for row, line in enumerate(distances):
            line[start + row] = np.inf
            # Cities at the same distance keep the order of their ranks, to nine decimals.
            order = np.argsort(np.round(line, 9), kind="stable")[:PEER_COUNT]
            found[codes[start + row]] = [
                (codes[place], float(line[place])) for place in order if np.isfinite(line[place])
            ]
    return found
