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
from city_index.settings import PROJECT_DIRECTORY, Settings

# How sure the ranks are is not what is tried here: fewer draws and sheets, a shorter rebuild.
_QUICK = {
    "CITY_INDEX_DRAW_COUNT": "500",
    "CITY_INDEX_SENSITIVITY_ROWS": "32",
    "CITY_INDEX_WORKBOOK_ROWS": "1000",
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

    @property
    def settings(self) -> Settings:
        """The settings that the console script has."""
        return Settings.from_environment({**_QUICK, "CITY_INDEX_HOME": str(self.home)})

    @property
    def environment(self) -> dict[str, str]:
        """The environment of whatever works on this home."""
        return {**os.environ, **_QUICK, "CITY_INDEX_HOME": str(self.home)}

    def city_index(self, *arguments: str) -> None:
        """Run the console script.

        Raises:
            CityIndexError: it fails.
        """
        run = subprocess.run(
            [sys.executable, "-m", "city_index", *arguments],
            cwd=PROJECT_DIRECTORY,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # as cron or a service would start it
        )
        if run.returncode != 0:
            last = (run.stderr.strip().splitlines() or run.stdout.strip().splitlines() or [""])[-1]
            raise CityIndexError(f"city-index {arguments[0]} ended with {run.returncode}: {last}")

    def ingest_a_correction(self, number: int = 0) -> None:
        """Put a file into the landing folder that corrects one shipped observation, another one for each number."""
        with (PROJECT_DIRECTORY / "seeds" / "observations.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        row = rows[number * 37 % len(rows)]
        # No number gives the value of one before it, nor the shipped one.
        row["value"] = f"{(float(row['value']) + 17 + number * 0.173) % 100:.3f}"
        self.ingest(f"correction-{number:04d}.csv", [row])

    def ingest(self, name: str, rows: list[dict[str, str]], kind: str = "observations") -> None:
        """Write rows of a kind into a CSV file, and hand it to `city-index ingest`."""
        file = self.home.parent / name
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        self.city_index("ingest", "--kind", kind, str(file))
        file.unlink()

    def rows(self, query: str) -> list[tuple]:
        """What a query of the published database gives, over a connection that is closed again."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(query).fetchall()
