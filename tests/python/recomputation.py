"""The index once more, in plain Python and with nothing of the project's SQL.

Written from the public interface: weighted means over a tree, missing policies, coverage, ranks, contributions.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

ROOT = "total"


@dataclass(frozen=True)
class Result:
    """What one node of one city should come to."""

    score: float | None
    rank: int | None
    contribution: float | None
    coverage_share: float


def _number(text: str) -> float | None:
    return float(text) if text != "" else None


def recompute(
    framework: Iterable[dict[str, str]], observations: Iterable[dict[str, str]]
) -> dict[tuple[str, str], Result]:
    """Every node of every city of one index and edition.

    Args:
        framework: rows of a framework file.
        observations: rows of an observation file.

    Returns:
        the result by city and indicator.
    """
    nodes = {row["indicator_code"]: row for row in framework}
    children: dict[str, list[str]] = defaultdict(list)
    for code, row in nodes.items():
        if row["parent_code"]:
            children[row["parent_code"]].append(code)
    values: dict[str, dict[str, float]] = defaultdict(dict)
    for row in observations:
        values[row["city_code"]][row["indicator_code"]] = float(row["value"])

    def score_below(code: str, observed: dict[str, float], scores: dict[str, float | None]) -> float | None:
        below = children[code]
        if not below:
            scores[code] = observed.get(code)
            return scores[code]
        found = {child: score_below(child, observed, scores) for child in below}
        weight = {child: float(nodes[child]["weight"]) for child in below}
        present = [child for child in below if found[child] is not None]
        policy = nodes[code]["missing_policy"] or "renormalise"
        least = _number(nodes[code]["min_coverage"]) or 0.0
        if round(len(present) / len(below), 9) < round(least, 9) or (policy == "fail" and len(present) < len(below)):
            scores[code] = None
        elif policy == "zero":
            scores[code] = math.fsum(weight[c] * (found[c] or 0.0) for c in below) / math.fsum(weight.values())
        elif present:
            scores[code] = math.fsum(weight[c] * found[c] for c in present) / math.fsum(weight[c] for c in present)
        else:
            scores[code] = None
        return scores[code]

    def leaves(code: str) -> list[str]:
        return [code] if not children[code] else [leaf for child in children[code] for leaf in leaves(child)]

    def contribute(code: str, points: float, scores: dict, contributions: dict) -> None:
        contributions[code] = None if scores[code] is None else points * scores[code]
        counted = [
            child
            for child in children[code]
            if scores[child] is not None or (nodes[code]["missing_policy"] or "renormalise") == "zero"
        ]
        total_weight = math.fsum(float(nodes[child]["weight"]) for child in counted)
        for child in children[code]:
            share = float(nodes[child]["weight"]) / total_weight if child in counted and scores[code] is not None else 0
            contribute(child, points * share, scores, contributions)

    scores_by_city: dict[str, dict[str, float | None]] = {}
    contributions_by_city: dict[str, dict[str, float | None]] = {}
    for city, observed in values.items():
        scores_by_city[city] = {}
        score_below(ROOT, observed, scores_by_city[city])
        contributions_by_city[city] = {}
        if scores_by_city[city][ROOT] is None:
            contributions_by_city[city] = dict.fromkeys(nodes)
        else:
            contribute(ROOT, 1.0, scores_by_city[city], contributions_by_city[city])

    results = {}
    for code in nodes:
        below = leaves(code)
        rounded = {city: round(s[code], 9) for city, s in scores_by_city.items() if s[code] is not None}
        for city, observed in values.items():
            rank = 1 + sum(other > rounded[city] for other in rounded.values()) if city in rounded else None
            results[city, code] = Result(
                score=scores_by_city[city][code],
                rank=rank,
                contribution=contributions_by_city[city][code],
                coverage_share=sum(leaf in observed for leaf in below) / len(below),
            )
    return results
