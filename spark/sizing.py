"""What a build takes as it grows, measured; and what that makes of a country, on paper.

What belongs here: processor time by rows, a straight line through what was measured, and the prices and assumptions
with which it is carried on. docs/spark.md says what they are worth.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from city_index.database import connect
from city_index.errors import CityIndexError
from city_index.settings import PROJECT_DIRECTORY
from reliability.page import provenance, table, write_section
from spark.engines import Built, Workspace

PAGE = PROJECT_DIRECTORY / "docs" / "spark.md"

# Assumptions of the extrapolation: a cluster, what of it works at a time, and what a core of it costs for an hour.
CORES = 64
EFFICIENCY = 0.6
DOLLARS_PER_CORE_HOUR = 0.05

# What is to be scored: cities, tertiaries, editions.
WORLDS = {
    "every county, monthly, twenty years": (3_000, 60, 240),
    "every town, once": (40_000, 60, 1),
    "every town, yearly, twenty years": (40_000, 60, 20),
    "a world of 150,000 places, once": (150_000, 60, 1),
    "a world of 150,000 places, yearly, twenty years": (150_000, 60, 20),
}


@dataclass(frozen=True)
class Measured:
    """One index built by both engines.

    Attributes:
        name: what it is.
        leaf_scores: rows of int_tertiary_scores: cities times tertiaries times editions, and once more for each edition
            that the newest method is tried on.
        city_editions: rows of fct_city_scores.
        duckdb: the build on DuckDB.
        spark: that on Spark.
    """

    name: str
    leaf_scores: int
    city_editions: int
    duckdb: Built
    spark: Built

    @classmethod
    def of(cls, name: str, workspace: Workspace, duckdb: Built, spark: Built) -> Measured:
        """Two builds of a workspace."""
        with connect(databases={"build": workspace.database}) as connection:
            counts = [
                connection.execute(f"select count(*) from build.{relation}").fetchone()[0]
                for relation in ("intermediate.int_tertiary_scores", "main.fct_city_scores")
            ]
        return cls(name, *counts, duckdb, spark)


@dataclass(frozen=True)
class Line:
    """Seconds of processor time: so many for any build, and so many for each million of rows."""

    fixed: float
    per_million: float

    @classmethod
    def through(cls, rows: Sequence[int], seconds: Sequence[float]) -> Line:
        """The line of least squares; through two points the one on which both lie.

        Raises:
            CityIndexError: there are not two numbers of rows.
        """
        if len(set(rows)) < 2:
            raise CityIndexError("growth needs indices of two sizes")
        slope, fixed = statistics.linear_regression(rows, seconds)
        return cls(fixed, slope * 1e6)

    def at(self, rows: int) -> float:
        """Seconds at so many rows."""
        return self.fixed + self.per_million * rows / 1e6


def leaf_scores_of(cities: int, leaves: int, editions: int) -> int:
    """Rows of int_tertiary_scores of an index: the newest method is tried on every edition but the newest."""
    return cities * leaves * (2 * editions - 1)


def measured_text(measured: Sequence[Measured]) -> str:
    """What was measured, as a table for people and for the page."""
    rows = [
        (
            each.name,
            each.leaf_scores,
            round(each.duckdb.processor_seconds, 1),
            round(each.spark.processor_seconds, 1),
            round(each.spark.python_model_seconds, 1),
            round(each.duckdb.seconds, 1),
            round(each.spark.seconds, 1),
        )
        for each in measured
    ]
    header = ("index", "leaf scores", "DuckDB, CPU s", "Spark, CPU s", "of it Python models", "DuckDB, s", "Spark, s")
    return table(header, rows)


def extrapolated_text(measured: Sequence[Measured]) -> str:
    """What the worlds take by the lines through what was measured, as a table.

    Raises:
        CityIndexError: the generated indices are all of one size.
    """
    rows = [each.leaf_scores for each in measured]
    sql = Line.through(rows, [each.spark.processor_seconds - each.spark.python_model_seconds for each in measured])
    python = Line.through(
        [each.city_editions for each in measured], [each.spark.python_model_seconds for each in measured]
    )
    duckdb = Line.through(rows, [each.duckdb.processor_seconds for each in measured])
    lines = []
    for name, (cities, leaves, editions) in WORLDS.items():
        leaf_scores = leaf_scores_of(cities, leaves, editions)
        growing = sql.per_million * leaf_scores / 1e6
        driver = python.at(cities * editions)
        hours = (sql.fixed + driver + growing / (CORES * EFFICIENCY)) / 3600
        lines.append(
            (
                name,
                leaf_scores,
                f"{(sql.fixed + growing) / 3600:.1f}",
                f"{driver / 3600:.1f}",
                f"{hours:.1f}",
                f"{hours * CORES * DOLLARS_PER_CORE_HOUR:.0f}",
                f"{duckdb.at(leaf_scores) / 3600:.1f}",
            )
        )
    header = (
        "what", "leaf scores", "SQL, core hours", "Python models, hours", f"hours on {CORES} cores", "dollars",
        "DuckDB, core hours",
    )  # fmt: skip
    told = (
        f"The lines: SQL on Spark takes {sql.fixed:.0f} s at any size and {sql.per_million:.0f} s for each million "
        f"leaf scores, Python models {python.per_million / 1e3:.1f} s for each thousand cities of an edition; "
        f"DuckDB, all of it, {duckdb.fixed:.0f} s at any size and {duckdb.per_million:.0f} s for each million leaf "
        "scores."
    )
    return f"{table(header, lines)}\n\n{told}"


def write_measured(measured: Sequence[Measured], command: str) -> None:
    """Write what was measured, and what follows from the generated indices, into docs/spark.md."""
    generated = [each for each in measured if each.name.startswith("generated")]
    write_section("measured", f"{measured_text(measured)}\n\n{provenance(command)}", PAGE)
    write_section("extrapolated", extrapolated_text(generated), PAGE)
