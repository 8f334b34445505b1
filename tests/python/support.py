"""What several tests use: running the console script and dbt, copies of the project and of a home."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from city_index.builds import dbt_environment
from city_index.dbt_client import DbtClient
from city_index.settings import PROJECT_DIRECTORY, Settings

_COPIED = (
    "city_index",
    "dagster.yaml",
    "dbt_project.yml",
    "macros",
    "models",
    "orchestration",
    "profiles.yml",
    "pyproject.toml",
    "requirements.lock",
    "seeds",
    "tests/dbt",
)

# The suite's default is pages for a few cities; with this in the environment a run writes those of all.
PAGES_OF_ALL_CITIES = {"CITY_INDEX_REPORT_CITIES": "1000"}


def city_index(
    *arguments: str, home: Path, project: Path = PROJECT_DIRECTORY, timeout: float = 900, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the console script of a project on a home, as a user would."""
    environment = {"CITY_INDEX_HOME": str(home), **environment}
    return python("-m", "city_index", *arguments, project=project, timeout=timeout, **environment)


def python(
    *arguments: str, project: Path = PROJECT_DIRECTORY, timeout: float = 900, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run this Python with the packages of a project."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project), **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


# The suite may run on another DuckDB than the lock pins. Doctor says so, and no home is the worse for it.
NOT_THE_PINNED_DUCKDB = f"duckdb is {duckdb.__version__} and the lock pins "


def wrong_with(home: Path) -> list[str]:
    """What `city-index doctor` names as wrong with a home."""
    doctor = city_index("doctor", home=home)
    named = [line.removeprefix("problem").strip() for line in doctor.stdout.splitlines() if line.startswith("problem")]
    assert doctor.returncode == (1 if named else 0), doctor.stderr
    assert ("all well" in doctor.stdout) == (not named)
    return [problem for problem in named if not problem.startswith(NOT_THE_PINNED_DUCKDB)]


def dbt(client: DbtClient, settings: Settings, *arguments: str) -> tuple[int, str]:
    """The exit code of a dbt command and what it printed."""
    process = client.run(arguments, dbt_environment(settings, settings.warehouse / "target"))
    said = process.stdout.read().decode()
    return process.wait(timeout=120), said


def copy_project(target: Path) -> Path:
    """A copy of the project whose seeds a test may change."""
    for name in _COPIED:
        source = PROJECT_DIRECTORY / name
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, destination, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, destination)
    return target


def copy_home(source: Path, target: Path) -> Path:
    """A copy of a home whose releases a test may change."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("rebuild.lock"))
    return target


def as_after_an_earlier_night(home: Path, published: Published) -> Path:
    """Give a home what an earlier night leaves of the code alone: what dbt parsed, and the unit tests that passed."""
    for parsed in published.settings.warehouse.glob("parsed-*"):
        shutil.copytree(parsed, home / "warehouse" / parsed.name)
    return home


def rows(database: Path, query: str) -> list[tuple]:
    """What a query of a database gives."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(query).fetchall()


def rows_of_edition(database: Path, index_code: str, edition: str) -> dict[str, list[tuple]]:
    """All rows of an index and edition, by published table; of tables of scenarios without those that look at it anew
    under the method of a newer edition."""
    columns: dict[str, set[str]] = {}
    for table, column in rows(database, "select table_name, column_name from duckdb_columns() where not internal"):
        columns.setdefault(table, set()).add(column)
    return {
        table: rows(
            database,
            f"select * from {table} where index_code = '{index_code}' and edition = '{edition}' "
            + ("and scenario <> 'newest_method' " if "scenario" in names else "")
            + "order by all",
        )
        for table, names in columns.items()
        if {"index_code", "edition"} <= names
    }


@contextmanager
def report_edition(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in memory with the tables of a published database; where they have editions, of 2020 alone."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{database}' as published (read_only)")
        for table, has_edition in connection.execute(
            "select table_name, bool_or(column_name = 'edition') from duckdb_columns() "
            "where database_name = 'published' group by all"
        ).fetchall():
            condition = "where coalesce(edition, '2020') = '2020'" if has_edition else ""
            connection.execute(f"create view {table} as select * from published.main.{table} {condition}")
        yield connection


@dataclass(frozen=True)
class Published:
    """A home with one published release, and what the run that made it printed."""

    home: Path
    run: subprocess.CompletedProcess[str]

    @property
    def settings(self) -> Settings:
        return Settings(project_directory=PROJECT_DIRECTORY, home=self.home)

    @property
    def database(self) -> Path:
        return self.settings.published_database
