"""The same scores and ranks in pandas: ``python -m benchmarks.scoring.pandas_peer RAW FILE``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

_COLUMNS = ["city_code", "indicator_code", "value"]


def compute(observations: pd.DataFrame, nodes: pd.DataFrame) -> pd.DataFrame:
    """City, indicator, score and rank of every node that a city has a child or a value of; one edition."""
    cells = observations.merge(nodes, on="indicator_code")
    cells["directed"] = cells["direction"] * cells["value"]
    bounds = cells.groupby("indicator_code", observed=True)["directed"].agg(["min", "max"])
    cells = cells.merge(bounds, left_on="indicator_code", right_index=True)
    share = ((cells["value"] - cells["norm_low"]) / (cells["norm_high"] - cells["norm_low"])).clip(0, 1)
    spread = (cells["max"] - cells["min"]).where(lambda width: width > 0)
    cells["score"] = np.select(
        [
            cells["normalisation"] == "score",
            cells["normalisation"] == "min_max",
            cells["normalisation"] == "goalposts",
        ],
        [
            np.where(cells["direction"] > 0, cells["directed"], 100 + cells["directed"]),
            100 * ((cells["directed"] - cells["min"]) / spread),
            100 * np.where(cells["direction"] > 0, share, 1 - share),
        ],
        default=np.nan,
    )
    weights = nodes.set_index("indicator_code")["weight"]
    parents = nodes.set_index("indicator_code")["parent_code"]
    level = cells[["city_code", "indicator_code", "score"]]
    levels = [level]
    for _step in range(3):
        present = level.dropna(subset="score")
        weight = present["indicator_code"].map(weights).astype(float)
        weighted = pd.DataFrame(
            {
                "city_code": present["city_code"],
                "indicator_code": present["indicator_code"].map(parents),
                "weight": weight,
                "weighted": weight * present["score"],
            }
        )
        sums = weighted.groupby(["city_code", "indicator_code"], observed=True, sort=False).sum().reset_index()
        level = sums[["city_code", "indicator_code"]].assign(score=sums["weighted"] / sums["weight"])
        levels.append(level)
    scores = pd.concat(levels, ignore_index=True)
    rounded = scores["score"].round(9)
    scores["rank"] = rounded.groupby(scores["indicator_code"], observed=True).rank(method="min", ascending=False)
    return scores


def main() -> None:
    """Read, compute and write."""
    raw, file = map(Path, sys.argv[1:])
    observations = pd.read_parquet(raw / "observations", columns=_COLUMNS)
    compute(observations, pd.read_parquet(raw / "frameworks")).to_parquet(file)


if __name__ == "__main__":
    main()
