"""The inner nodes of an index once more, in plain Python: scores of a city, contributions, and what they rest on.

Part of the independent recomputation (``recomputation``); written from the documented method and with nothing of the
project's SQL. The scores of leaves come from ``recomputed_leaves``.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from recomputed_leaves import NOT_POSITIVE, number

ROOT = "total"
DECIMALS = 9

BELOW_MIN_COVERAGE = "below_min_coverage"
CHILD_MISSING = "child_missing"
NO_CHILD = "no_child"

Scores = dict[str, float | None]


class Tree:
    """The tree of one index and edition."""

    def __init__(self, rows: Iterable[dict[str, str]]) -> None:
        self.rows = {row["indicator_code"]: row for row in rows}
        self.children: dict[str, list[str]] = defaultdict(list)
        for code, row in self.rows.items():
            if row["parent_code"]:
                self.children[row["parent_code"]].append(code)
        self.leaves = [code for code in self.rows if not self.children[code]]
        self.weights = {code: float(row["weight"]) for code, row in self.rows.items()}
        self.nominal_weights = {leaf: self._nominal_weight(leaf) for leaf in self.leaves}

    def choice(self, code: str, name: str, default: str) -> str:
        return self.rows[code].get(name) or default

    def ancestors(self, code: str) -> list[str]:
        parent = self.rows[code]["parent_code"]
        return [parent, *self.ancestors(parent)] if parent else []

    def leaves_below(self, code: str) -> list[str]:
        """The leaves that a node rests on; a leaf rests on itself."""
        below = self.children[code]
        return [leaf for child in below for leaf in self.leaves_below(child)] if below else [code]

    def _nominal_weight(self, code: str) -> float:
        """The share of the total that a node has where nothing is missing."""
        share = 1.0
        for node in [code, *self.ancestors(code)]:
            siblings = self.children[self.rows[node]["parent_code"]] or [node]
            share *= self.weights[node] / math.fsum(self.weights[sibling] for sibling in siblings)
        return share

    def counted(self, code: str, scores: Scores) -> dict[str, float]:
        """The children of a node that count, with the score that they count with."""
        found = {child: scores[child] for child in self.children[code]}
        if self.choice(code, "missing_policy", "renormalise") == "zero":
            return {child: score or 0.0 for child, score in found.items()}
        return {child: score for child, score in found.items() if score is not None}

    def score(self, leaf_scores: Scores) -> tuple[Scores, dict[str, str]]:
        """The scores of every node of a city, given those of its leaves, and why inner nodes have none."""
        scores = dict(leaf_scores)
        reasons: dict[str, str] = {}

        def visit(code: str) -> None:
            for child in self.children[code]:
                visit(child)
            if self.children[code]:
                outcome = self._score_of(code, scores)
                scores[code] = None if isinstance(outcome, str) else outcome
                if isinstance(outcome, str):
                    reasons[code] = outcome

        visit(ROOT)
        return scores, reasons

    def _score_of(self, code: str, scores: Scores) -> float | str:
        below = self.children[code]
        present_count = sum(scores[child] is not None for child in below)
        least = number(self.rows[code], "min_coverage", 0.0)
        if round(present_count / len(below), DECIMALS) < round(least, DECIMALS):
            return BELOW_MIN_COVERAGE
        if self.choice(code, "missing_policy", "renormalise") == "fail" and present_count < len(below):
            return CHILD_MISSING
        counted = self.counted(code, scores)
        if not counted:
            return NO_CHILD
        total_weight = math.fsum(self.weights[child] for child in counted)
        aggregation = self.choice(code, "aggregation", "arithmetic")
        if aggregation == "arithmetic":
            return math.fsum(self.weights[child] * score for child, score in counted.items()) / total_weight
        if any(round(score, DECIMALS) <= 0 for score in counted.values()):
            return NOT_POSITIVE
        if aggregation == "geometric":
            logarithms = (self.weights[child] * math.log(score) for child, score in counted.items())
            return math.exp(math.fsum(logarithms) / total_weight)
        if aggregation == "harmonic":
            return total_weight / math.fsum(self.weights[child] / score for child, score in counted.items())
        raise ValueError(aggregation)

    def contributions(self, scores: Scores) -> Scores:
        """The points of the total that each node of a city gives; none without a score or without a total."""
        if scores[ROOT] is None:
            return dict.fromkeys(self.rows)
        found: Scores = {}

        def visit(code: str, points_per_score: float) -> None:
            score = scores[code]
            found[code] = None if score is None else points_per_score * score
            below = dict.fromkeys(self.children[code], 0.0)
            if score is not None and below:
                below |= self._points_per_score(code, points_per_score, score, scores)
            for child, points in below.items():
                visit(child, points)

        visit(ROOT, 1.0)
        return found

    def _points_per_score(self, code: str, points: float, score: float, scores: Scores) -> dict[str, float]:
        """What one point of each child that counts gives to the total, given what one point of the node gives."""
        counted = self.counted(code, scores)
        weights = {child: self.weights[child] for child in counted}
        aggregation = self.choice(code, "aggregation", "arithmetic")
        if aggregation == "arithmetic":
            total_weight = math.fsum(weights.values())
            return {child: points * weight / total_weight for child, weight in weights.items()}
        measure = math.log1p if aggregation == "geometric" else float
        shares = {child: weights[child] * measure(counted[child]) for child in counted}
        whole = math.fsum(shares.values())
        return {child: points * score * share / whole / counted[child] for child, share in shares.items()}

    def contribution_method(self, code: str) -> str:
        """How the contribution of a node was found: exactly, or by sharing out what an ancestor gives."""
        methods = {"arithmetic": "exact", "geometric": "log_share", "harmonic": "score_share"}
        found = {methods[self.choice(node, "aggregation", "arithmetic")] for node in self.ancestors(code)}
        shared = found - {"exact"}
        return "mixed" if len(shared) > 1 else next(iter(shared), "exact")
