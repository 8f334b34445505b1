"""A scratch home with a release of its own, so that a proof can watch the next one being published.

What belongs here: running the console script on it, and the correction that makes the next release another one.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb

from city_index.errors import CityIndexError
from city_index.settings import PROJECT_DIRECTORY

# How sure the ranks are is not what is tried here: fewer draws, a shorter rebuild.
_QUICK = {
    "CITY_INDEX_DRAW_COUNT": "500",
    "CITY_INDEX_SENSITIVITY_ROWS": "256",
    "CITY_INDEX_LANDING_SETTLE_SECONDS": "0",
}


@dataclass(frozen=True)
class ScratchHome:
    """A home that nobody else uses."""

    home: Path

    @property
    def database(self) -> Path:
        """The published database."""
        return self.home / "published" / "city_index.duckdb"

    def city_index(self, *arguments: str) -> None:
        """Run the console script.

        Raises:
            CityIndexError: it fails.
        """
        run = subprocess.run(
            [sys.executable, "-m", "city_index", *arguments],
            cwd=PROJECT_DIRECTORY,
            env={**os.environ, **_QUICK, "CITY_INDEX_HOME": str(self.home)},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            last = (run.stderr.strip().splitlines() or run.stdout.strip().splitlines() or [""])[-1]
            raise CityIndexError(f"city-index {arguments[0]} ended with {run.returncode}: {last}")

    def ingest_a_correction(self) -> None:
        """Put a file into the landing folder that corrects one shipped observation."""
        with (PROJECT_DIRECTORY / "seeds" / "observations.csv").open(encoding="utf-8", newline="") as stream:
            row = next(csv.DictReader(stream))
        row["value"] = "1" if float(row["value"]) > 50 else "99"
        file = self.home.parent / "correction.csv"
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(row))
            writer.writeheader()
            writer.writerow(row)
        self.city_index("ingest", str(file))

    def rows(self, query: str) -> list[tuple]:
        """What a query of the published database gives, over a connection that is closed again."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(query).fetchall()
