"""The time of ranking an index in many drawn worlds over that of the bare arithmetic of its total in numpy.

The bare batch draws weights, makes them effective weights of the leaves and multiplies these by the scores: one matrix
product. Ours scores the total and the primaries, ranks all cities in each, and gathers percentiles and shares. The two
alternate. How time and memory grow with the number of cities is measured on random scores, in processes of their own.
"""

from __future__ import annotations

import csv
import json
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.measuring import BYTES, EXPONENT, RATIO, Figure, Findings, Plan, exponent_of_growth, in_turn, ratios
from city_index.settings import PROJECT_DIRECTORY
from city_index.worlds.draws import Worlds, draw_weights, published_ranks, rank_summary
from city_index.worlds.tree import Scores, Tree

TITLE = "Ranks in drawn worlds, over the bare arithmetic in numpy"

TARGET = 10.0
EXPONENT_TARGET = 1.2
DRAWS = 10_000
CITIES = (150, 1_500, 3_000)
SHORT_CITIES = (50, 150)
MIB = 1 << 20
SEED = 20201


def report_tree() -> Tree:
    """The report's index of 2020."""
    with (PROJECT_DIRECTORY / "seeds" / "frameworks.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["indicator_code"]: row for row in csv.DictReader(stream) if row["edition"] == "2020"}

    def level(code: str) -> int:
        parent = rows[code]["parent_code"]
        return level(parent) + 1 if parent else 0

    return Tree.of({**row, "level": level(code)} for code, row in rows.items())


def report_scores(tree: Tree) -> Scores:
    """The scores of its leaves, which are its observations."""
    with (PROJECT_DIRECTORY / "seeds" / "observations.csv").open(encoding="utf-8", newline="") as stream:
        cells = [
            (row["city_code"], row["indicator_code"], float(row["value"]))
            for row in csv.DictReader(stream)
            if row["edition"] == "2020"
        ]
    return Scores.of(tree, sorted({city for city, _code, _value in cells}), *zip(*cells, strict=True))


def random_scores(tree: Tree, city_count: int) -> Scores:
    """Scores of any number of cities."""
    values = np.random.default_rng(SEED).random((1, city_count, len(tree.leaves))) * 100
    return Scores(tuple(map(str, range(city_count))), values)


def bare(tree: Tree, leaf_scores: Scores) -> float:
    """Seconds for the arithmetic of the total alone."""
    values = np.ascontiguousarray(leaf_scores.values[0].T)
    leaves = np.array(tree.leaves)
    started = time.perf_counter()
    weights = np.random.default_rng(SEED).uniform(0.75, 1.25, (DRAWS, len(tree))) * tree.weights
    for node in tree.inner:
        children = list(tree.children[node])
        weights[:, children] /= weights[:, children].sum(axis=1, keepdims=True)
    secondaries = tree.parents[leaves]
    effective = weights[:, leaves] * weights[:, secondaries] * weights[:, tree.parents[secondaries]]
    totals = effective @ values
    elapsed = time.perf_counter() - started
    assert totals.shape == (DRAWS, len(leaf_scores.cities))
    return elapsed


def ranked(tree: Tree, leaf_scores: Scores) -> float:
    """Seconds for the ranks of total and primaries, and what they come to."""
    published = published_ranks(tree, leaf_scores)
    tiers = (np.ones(len(leaf_scores.cities)), published[tree.codes[0]])
    started = time.perf_counter()
    worlds = Worlds(draw_weights(tree, DRAWS, np.random.default_rng(SEED)))
    found = rank_summary(tree, leaf_scores, worlds, published, tiers)
    elapsed = time.perf_counter() - started
    assert len(found) == len(tree.ranked)
    return elapsed


def peak_mib() -> float:
    """The most memory that this process had resident so far."""
    status = Path("/proc/self/status")
    if status.exists():  # what resource tells of a new process begins with its parent's
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text()).group(1)) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def alone(city_count: int) -> dict:
    """Time and memory of one size; for a process of its own. 0 cities are the report's."""
    tree = report_tree()
    leaf_scores = random_scores(tree, city_count) if city_count else report_scores(tree)
    before = peak_mib()
    seconds = min(ranked(tree, leaf_scores) for _run in range(5 if city_count < 1_000 else 2))
    peak = peak_mib()
    return {"seconds": seconds, "peak_mib": round(peak), "peak_over_imports_mib": round(peak - before)}


def in_a_process(city_count: int) -> dict:
    """The same, measured in a new process."""
    command = [sys.executable, "-m", "benchmarks.draws_over_numpy", str(city_count)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(plan: Plan) -> Findings:
    """Time both in turn; gives their ratio, and how ours grows."""
    tree = report_tree()
    leaf_scores = report_scores(tree)
    bare(tree, leaf_scores), ranked(tree, leaf_scores)
    found = in_turn(
        {"ranked": lambda: ranked(tree, leaf_scores), "bare": lambda: bare(tree, leaf_scores)}, plan.pair_count(15)
    )
    pairs = ratios(found["ranked"], found["bare"])
    report = in_a_process(0)
    sizes = {city_count: in_a_process(city_count) for city_count in plan.choose(SHORT_CITIES, CITIES)}
    figures = [
        Figure(
            f"{DRAWS:,} draws of {len(leaf_scores.cities)} cities, over numpy's matrix product",
            statistics.median(pairs),
            RATIO,
            target=TARGET,
            reason="every draw is ranked by the total and by each primary, where the floor has totals alone",
        ),
        Figure(
            "exponent of its time over cities",
            exponent_of_growth(list(sizes), [each["seconds"] for each in sizes.values()]),
            EXPONENT,
            target=EXPONENT_TARGET,
            reason="ranking sorts, and larger batches leave the processor's cache",
        ),
        Figure("its memory, imports included", report["peak_mib"] * MIB, BYTES),
    ]
    return Findings(figures, {"ratios": pairs, "growth": {str(size): each for size, each in sizes.items()}})


if __name__ == "__main__":
    print(json.dumps(alone(int(sys.argv[1]))))
