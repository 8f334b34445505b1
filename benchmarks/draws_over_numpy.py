"""The time of ranking an index in many drawn worlds over that of the bare arithmetic of its total in numpy.

Run as ``python -m benchmarks.draws_over_numpy [PAIRS]``. The bare batch draws weights, makes them effective weights of
the leaves and multiplies these by the scores: one matrix product. Ours scores the total and the primaries, ranks all
cities in each, and gathers percentiles and shares. The two alternate; the figure is the median of the ratios of the
pairs. How time and memory grow with the number of cities is measured on random scores, each in a process of its own.
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

from city_index.settings import PROJECT_DIRECTORY
from city_index.worlds.draws import Worlds, draw_weights, published_ranks, rank_summary
from city_index.worlds.tree import Scores, Tree

TARGET = 10.0
EXPONENT_TARGET = 1.2
DRAWS = 10_000
CITIES = (150, 1_500, 3_000)
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
    command = [sys.executable, "-m", "benchmarks.draws_over_numpy", "--alone", str(city_count)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(pairs: int) -> dict:
    """Time both in turn; gives the ratios, and how ours grows."""
    tree = report_tree()
    leaf_scores = report_scores(tree)
    bare(tree, leaf_scores), ranked(tree, leaf_scores)
    ratios = []
    for _pair in range(pairs):
        bare_seconds = bare(tree, leaf_scores)
        ratios.append(ranked(tree, leaf_scores) / bare_seconds)
    report = in_a_process(0)
    sizes = {city_count: in_a_process(city_count) for city_count in CITIES}
    seconds = np.log([each["seconds"] for each in sizes.values()])
    exponent = np.polyfit(np.log(CITIES), seconds, 1)[0]
    smallest = sizes[CITIES[0]]["seconds"]
    return {
        "draws": DRAWS,
        "cities": len(leaf_scores.cities),
        "ratio_to_bare_numpy": round(statistics.median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
        "target": TARGET,
        "peak_mib": report["peak_mib"],
        "peak_over_imports_mib": report["peak_over_imports_mib"],
        "growth": {
            str(city_count): {
                "time_over_smallest": round(found["seconds"] / smallest, 2),
                "peak_mib": found["peak_mib"],
                "peak_over_imports_mib": found["peak_over_imports_mib"],
            }
            for city_count, found in sizes.items()
        },
        "exponent_of_time": round(float(exponent), 3),
        "exponent_target": EXPONENT_TARGET,
    }


def main() -> None:
    """Print the ratios as JSON."""
    if sys.argv[1:2] == ["--alone"]:
        print(json.dumps(alone(int(sys.argv[2]))))
        return
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 15), indent=1))


if __name__ == "__main__":
    main()
