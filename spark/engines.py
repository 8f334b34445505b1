"""The two builds: the same dbt project on DuckDB and on Spark, from the same raw rows.

What belongs here: the processes and their environments, where they put what they make, and what dbt says of them.
"""

from __future__ import annotations

import glob
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from city_index.builds import dbt_environment
from city_index.database import quoted
from city_index.errors import CityIndexError
from city_index.settings import PROJECT_DIRECTORY, Settings

SPARK_PYTHON = PROJECT_DIRECTORY / ".venv-spark" / "bin" / "python"
SCHEMA = "city_index"

# Unit tests hold formulas on any engine alike; data tests are asked for.
_NO_TESTS = ("--exclude-resource-type", "unit_test", "test")
_NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")


@dataclass(frozen=True)
class Built:
    """A build that is done.

    Attributes:
        seconds: of the wall, from the start of dbt to its end.
        processor_seconds: of all processes of the build.
        python_model_seconds: of these, what Python models took where that was told apart, beside reading and writing.
        results: how many seeds, models and tests ended how.
    """

    seconds: float
    processor_seconds: float
    python_model_seconds: float
    results: dict[str, int]

    def told(self) -> str:
        """What came out, in a few words."""
        counts = ", ".join(f"{count} {status}" for status, count in sorted(self.results.items()))
        return f"{counts} in {self.seconds:.0f} s"


@dataclass(frozen=True)
class Workspace:
    """Where an index is built by both engines.

    Attributes:
        folder: all of it; may be deleted at any time.
    """

    folder: Path

    @property
    def settings(self) -> Settings:
        """The settings of the home whose landed rows are built, with the knobs of the environment."""
        given = Settings.from_environment()
        return Settings(
            project_directory=PROJECT_DIRECTORY,
            home=self.folder / "home",
            landing_settle_seconds=0,
            landing_max_bytes=1 << 40,
            build_memory_bytes=given.build_memory_bytes,
            draw_count=given.draw_count,
            sensitivity_rows=given.sensitivity_rows,
        )

    @property
    def inputs(self) -> Path:
        """The raw rows as Parquet."""
        return self.folder / "inputs"

    @property
    def database(self) -> Path:
        """What DuckDB builds."""
        return self.folder / "duckdb" / "build.duckdb"

    @property
    def warehouse(self) -> Path:
        """What Spark builds: a folder for each schema, and in it one for each table."""
        return self.folder / "spark" / "warehouse"

    def target(self, engine: str) -> Path:
        """dbt's target folder."""
        return self.folder / engine / "target"

    def spark_table(self, name: str) -> str:
        """SQL by which DuckDB reads a table of Spark's."""
        folder = self.warehouse / f"{SCHEMA}.db" / name
        return f"read_parquet({quoted(f'{glob.escape(str(folder))}/*.parquet')})"

    def environment(self, engine: str) -> dict[str, str]:
        """The environment of dbt."""
        return {
            **dbt_environment(self.settings, self.target(engine)),
            "PYTHONPATH": str(PROJECT_DIRECTORY),
            "CITY_INDEX_BUILD_DATABASE": str(self.database),
            "CITY_INDEX_SPARK_INPUTS": str(self.inputs),
            "CITY_INDEX_SPARK_WAREHOUSE": str(self.warehouse),
            "CITY_INDEX_SPARK_SCHEMA": SCHEMA,
            "SPARK_CONF_DIR": os.environ.get("SPARK_CONF_DIR", str(PROJECT_DIRECTORY / "spark" / "conf")),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }


def build_on_duckdb(workspace: Workspace) -> Built:
    """Build the database, as a nightly run does.

    Raises:
        CityIndexError: dbt fails; the message is its own.
    """
    return _build(workspace, "duckdb", [sys.executable, "-m", "city_index.dbt_process"], _NO_TESTS)


def build_on_spark(workspace: Workspace, with_tests: bool = False) -> Built:
    """Build the warehouse on Spark, from the inputs of the workspace.

    Args:
        workspace: with its inputs.
        with_tests: whether the data tests of dbt run as well.

    Raises:
        CityIndexError: there is no Java, the environment is not set up, or dbt fails; the message is its own.
    """
    java = Path(os.environ["JAVA_HOME"]) / "bin" / "java" if "JAVA_HOME" in os.environ else shutil.which("java")
    if java is None or not Path(java).exists():
        raise CityIndexError("Spark needs Java 17 or later: install it, or set JAVA_HOME")
    if not SPARK_PYTHON.exists():
        raise CityIndexError(f"{SPARK_PYTHON.parent.parent} is not set up; run `make spark`")
    seconds = workspace.folder / "python_models.json"
    command = [str(SPARK_PYTHON), "-m", "spark.dbt", "--seconds", str(seconds)]
    built = _build(workspace, "spark", command, _NO_UNIT_TESTS if with_tests else _NO_TESTS)
    return replace(built, python_model_seconds=json.loads(seconds.read_text(encoding="utf-8")))


def _build(workspace: Workspace, engine: str, dbt: list[str], left_out: tuple[str, ...]) -> Built:
    folder = workspace.folder / engine
    shutil.rmtree(folder, ignore_errors=True)
    workspace.target(engine).mkdir(parents=True)
    with (folder / "output.txt").open("w+", encoding="utf-8") as output:
        started, processor = time.perf_counter(), _processor_of_children()
        done = subprocess.run(
            [*dbt, "build", "--target", engine, *left_out],
            cwd=folder,
            env=workspace.environment(engine),
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
        seconds = time.perf_counter() - started
        output.seek(0)
        said = output.read()
    if done.returncode != 0:
        raise CityIndexError(
            f"dbt fails on {engine} (`--keep` keeps all that it says): {' '.join(said.split())[-1500:]}"
        )
    ran = json.loads((workspace.target(engine) / "run_results.json").read_text(encoding="utf-8"))["results"]
    results: dict[str, int] = {}
    for result in ran:
        results[result["status"]] = results.get(result["status"], 0) + 1
    return Built(seconds, _processor_of_children() - processor, 0.0, results)


def _processor_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
