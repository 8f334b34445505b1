"""The bare arithmetic in numpy: ``python -m benchmarks.scoring.numpy_floor RAW FOLDER``.

Values become one matrix of leaves and cities; a score is a weighted mean of rows of it, a rank a sort of one. It writes
the matrix of scores and that of ranks as ``.npy``, with the codes of rows and columns, and no table.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Values:
    """What was observed of one edition: ``values`` of leaves and cities, NaN where nothing was."""

    leaves: list[str]
    cities: np.ndarray
    values: np.ndarray


def read_values(files: list[Path]) -> Values:
    """The observations in Parquet files of one edition."""
    import pyarrow
    import pyarrow.parquet

    coded = ["city_code", "indicator_code"]
    table = pyarrow.concat_tables(
        pyarrow.parquet.read_table(file, columns=[*coded, "value"], read_dictionary=coded) for file in files
    ).unify_dictionaries()
    cities, leaves = (table[name].chunk(0).dictionary.to_pylist() for name in coded)
    values = np.full((len(leaves), len(cities)), np.nan)
    for batch in table.to_batches():
        city, leaf = (batch[name].indices.to_numpy() for name in coded)
        values[leaf, city] = batch["value"].to_numpy()
    return Values(leaves, np.array(cities), values)


def read_nodes(files: list[Path]) -> list[dict]:
    """The nodes in Parquet files of frameworks."""
    import pyarrow.parquet

    return [node for file in files for node in pyarrow.parquet.read_table(file).to_pylist()]


def leaf_scores(values: np.ndarray, node: dict) -> np.ndarray:
    """The scores of one leaf from its values."""
    directed = node["direction"] * values
    if node["normalisation"] == "score":
        return directed if node["direction"] > 0 else 100 + directed
    if node["normalisation"] == "min_max":
        least, greatest = np.nanmin(directed), np.nanmax(directed)
        return 100 * ((directed - least) / (greatest - least)) if greatest > least else np.full_like(values, np.nan)
    share = np.clip((values - node["norm_low"]) / (node["norm_high"] - node["norm_low"]), 0, 1)
    return 100 * (share if node["direction"] > 0 else 1 - share)


def descending_ranks(scores: np.ndarray) -> np.ndarray:
    """Ranks from 1 for the highest score at 9 decimals, ties share the smallest; 0 where there is no score."""
    rounded = -np.round(scores, 9)
    order = np.argsort(rounded, kind="stable")  # NaN last
    ordered = rounded[order]
    first = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    ranks = np.empty(len(scores), dtype=np.int32)
    ranks[order] = np.maximum.accumulate(np.where(first, np.arange(1, len(scores) + 1), 0))
    ranks[np.isnan(scores)] = 0
    return ranks


def compute(observed: Values, nodes: list[dict]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Codes, scores and ranks of all nodes of one edition; scores and ranks by node and city."""
    children: dict[str, list[dict]] = {}
    for node in nodes:
        if node["parent_code"]:
            children.setdefault(node["parent_code"], []).append(node)
    row_of_leaf = {code: row for row, code in enumerate(observed.leaves)}
    codes = [node["indicator_code"] for node in nodes]
    row_of = {code: row for row, code in enumerate(codes)}
    scores = np.full((len(nodes), len(observed.cities)), np.nan)

    def score(node: dict) -> np.ndarray:
        below = children.get(node["indicator_code"])
        row = scores[row_of[node["indicator_code"]]]
        if below is None:
            row[:] = leaf_scores(observed.values[row_of_leaf[node["indicator_code"]]], node)
            return row
        weighted, weights = np.zeros_like(row), np.zeros_like(row)
        for child in below:
            of_child = score(child)
            present = ~np.isnan(of_child)
            weighted += np.where(present, child["weight"] * of_child, 0)
            weights += child["weight"] * present
        with np.errstate(invalid="ignore"):
            np.divide(weighted, weights, out=row)
        return row

    score(next(node for node in nodes if not node["parent_code"]))
    return codes, scores, np.array([descending_ranks(row) for row in scores])


def write(folder: Path, cities: np.ndarray, codes: list[str], scores: np.ndarray, ranks: np.ndarray) -> None:
    """Write what was computed into a new folder."""
    folder.mkdir(parents=True)
    np.save(folder / "cities.npy", cities)
    np.save(folder / "scores.npy", scores)
    np.save(folder / "ranks.npy", ranks)
    (folder / "nodes.json").write_text(json.dumps(codes), encoding="utf-8")


def main() -> None:
    """Read, compute and write."""
    raw, folder = map(Path, sys.argv[1:])
    observed = read_values(sorted((raw / "observations").glob("*.parquet")))
    codes, scores, ranks = compute(observed, read_nodes(sorted((raw / "frameworks").glob("*.parquet"))))
    write(folder, observed.cities, codes, scores, ranks)


if __name__ == "__main__":
    main()
