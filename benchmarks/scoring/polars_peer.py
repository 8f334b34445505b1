"""The same scores and ranks in Polars: ``python -m benchmarks.scoring.polars_peer RAW FILE``."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl


def compute(observations: pl.LazyFrame, nodes: pl.LazyFrame) -> pl.LazyFrame:
    """City, indicator, score and rank of every node that a city has a child or a value of; one edition."""
    kept = ("indicator_code", "parent_code", "weight", "direction", "normalisation", "norm_low", "norm_high")
    nodes = nodes.select(kept)
    directed = pl.col("direction") * pl.col("value")
    cells = observations.join(nodes, on="indicator_code").with_columns(directed=directed)
    bounds = cells.group_by("indicator_code").agg(
        least=pl.col("directed").min(), spread=pl.col("directed").max() - pl.col("directed").min()
    )
    share = ((pl.col("value") - pl.col("norm_low")) / (pl.col("norm_high") - pl.col("norm_low"))).clip(0, 1)
    place = (pl.col("directed") - pl.col("least")) / pl.when(pl.col("spread") > 0).then(pl.col("spread"))
    is_rising = pl.col("direction") > 0
    score = (
        pl.when(pl.col("normalisation") == "score")
        .then(pl.when(is_rising).then(pl.col("directed")).otherwise(100 + pl.col("directed")))
        .when(pl.col("normalisation") == "min_max")
        .then(100 * place)
        .when(pl.col("normalisation") == "goalposts")
        .then(100 * pl.when(is_rising).then(share).otherwise(1 - share))
    )
    level = cells.join(bounds, on="indicator_code").select("city_code", "indicator_code", score=score)
    levels = [level]
    for _step in range(3):
        level = (
            level.drop_nulls("score")
            .join(nodes.select("indicator_code", "parent_code", "weight"), on="indicator_code")
            .group_by("city_code", indicator_code="parent_code")
            .agg(score=(pl.col("weight") * pl.col("score")).sum() / pl.col("weight").sum())
        )
        levels.append(level)
    rank = pl.col("score").round(9).rank("min", descending=True).over("indicator_code")
    return pl.concat(levels).with_columns(rank=rank)


def main() -> None:
    """Read, compute and write."""
    raw, file = map(Path, sys.argv[1:])
    observations = pl.scan_parquet(raw / "observations" / "*.parquet").select("city_code", "indicator_code", "value")
    nodes = pl.scan_parquet(raw / "frameworks" / "*.parquet")
    compute(observations, nodes).collect().write_parquet(file)


if __name__ == "__main__":
    main()
