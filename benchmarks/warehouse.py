"""The project's models built by a bare dbt, outside a night, and what dbt says each of them took.

What belongs here: one way to build some or all models of a home, for every benchmark that does. dbt's own data tests
and unit tests are left out where a benchmark asks for tables alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import Run, run
from city_index.builds import dbt_environment
from city_index.settings import Settings

WITHOUT_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")


def shares_by_node(target: Path, whole: Run) -> dict[str, float]:
    """What each node of a build took, by its name, over the wall time of the run that built it; largest first.

    Nodes that ran side by side count each for itself, so the shares may come to more than 1.
    """
    results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    shares = {result["unique_id"].split(".")[2]: result["execution_time"] / whole.seconds for result in results}
    return dict(sorted(shares.items(), key=lambda share: -share[1]))


@dataclass(frozen=True)
class Warehouse:
    """A private build of a home, always at the same place, so that dbt reuses what it parsed."""

    settings: Settings

    @property
    def database(self) -> Path:
        """The database that dbt writes."""
        return self.settings.warehouse / "build" / "build.duckdb"

    @property
    def target(self) -> Path:
        """dbt's target folder."""
        return self.settings.warehouse / "bare"

    def parse(self) -> None:
        """Let dbt parse the project, so that no build that is timed has to."""
        self._run("parse")

    def build(self, arguments: Sequence[str] = ()) -> Run:
        """Build from scratch into a new database."""
        self.remove()
        self.database.parent.mkdir(parents=True, exist_ok=True)
        return self._run("build", *arguments)

    def remove(self) -> None:
        """Remove the database and what DuckDB put beside it."""
        for path in self.database.parent.glob(f"{self.database.name}*"):
            if path.is_file():
                path.unlink()

    def _run(self, *arguments: str) -> Run:
        command = [sys.executable, "-m", "city_index.dbt_process", "--quiet", *arguments]
        return run(command, dbt_environment(self.settings, self.target))
