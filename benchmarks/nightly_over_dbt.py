"""The wall time of `city-index run` over that of a bare `dbt build` of the same project.

Run as ``python -m benchmarks.nightly_over_dbt [PAIRS]``. The two alternate, so that a machine whose speed drifts slows
both; the figure is the median of the ratios of the pairs. Each starts from what a second night finds: dbt's parsed
project is there, the warehouse is built from scratch.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from city_index.settings import PROJECT_DIRECTORY

TARGET = 2.0


def _timed(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=PROJECT_DIRECTORY, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    elapsed = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return elapsed, done.stdout


def measure(pairs: int) -> dict:
    """Time both commands in turn; gives the ratios and the share of each stage of the nightly run."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "bare" / "build.duckdb"
        database.parent.mkdir()
        dbt_environment = {
            "CITY_INDEX_BUILD_DATABASE": str(database),
            "DBT_PROFILES_DIR": str(PROJECT_DIRECTORY),
            "DBT_TARGET_PATH": str(Path(folder) / "target"),
            "DBT_LOG_PATH": str(Path(folder) / "target"),
        }
        run_environment = {"CITY_INDEX_HOME": str(Path(folder) / "home")}
        bare = [sys.executable, "-m", "dbt.cli.main", "--quiet", "build"]
        nightly = [sys.executable, "-m", "city_index", "run"]
        _timed(bare, dbt_environment)
        _timed(nightly, run_environment)
        ratios, shares = [], []
        for _ in range(pairs):
            database.unlink()
            bare_seconds, _said = _timed(bare, dbt_environment)
            nightly_seconds, said = _timed(nightly, run_environment)
            ratios.append(nightly_seconds / bare_seconds)
            stages = dict(re.findall(r"^([a-z ]+): .*\((\d+\.\d) s\)$", said, flags=re.MULTILINE))
            shares.append({name: float(seconds) / nightly_seconds for name, seconds in stages.items()})
    return {
        "pairs": pairs,
        "ratios": [round(ratio, 3) for ratio in ratios],
        "median_ratio": round(statistics.median(ratios), 3),
        "target_ratio": TARGET,
        "median_stage_shares": {
            name: round(statistics.median(share[name] for share in shares), 3) for name in (shares[0] if shares else ())
        },
    }


def main() -> None:
    """Measure and print the figures as JSON."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    figures = measure(pairs)
    print(json.dumps(figures, indent=1))
    met = "met" if figures["median_ratio"] <= TARGET else "MISSED"
    print(f"city-index run takes {figures['median_ratio']} times a bare dbt build; target {TARGET}: {met}")


if __name__ == "__main__":
    main()
