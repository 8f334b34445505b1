"""Publishing, and reading what is published, at any number of cities; each step for a process of its own.

What belongs here: a build whose cities are copied, the product's own assembling of it, the same tables copied by DuckDB
alone, and the queries of the report's pages with the time that each takes.

Run as ``python -m benchmarks.published STEP ARGUMENT...``, by ``benchmarks.publishing_over_copy``; prints JSON.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from city_index.builds import primary_keys
from city_index.checks import PASSED, Check
from city_index.database import identifier, in_bounded_memory, open_database, quoted
from city_index.releases.assemble import DATABASE_NAME, STORAGE_VERSION, add_release_tables, assemble_tables
from city_index.releases.manifest import Manifest
from city_index.report.reading import read_release

EDITION = "2020"

_CITY = re.compile(r"(^|_)city_code$")
_RANK = re.compile(r"(^|_)rank(_in_[a-z]+|_p\d\d)?$")
_CHECKS = 240


def enlarge(build: Path, target: Path, copies: int, keys: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Write a build in which every city of the report's edition stands so many times; gives its rows.

    A copy has a code of its own, the scores of its city, and a rank behind the other copies of it. Tables whose
    key names no city stay as they are.
    """
    with duckdb.connect() as connection:
        connection.execute(f"attach {quoted(build)} as original (read_only)")
        connection.execute(f"attach {quoted(target)} as enlarged (storage_version 'latest')")
        connection.execute("use original")
        names = _tables(connection)
        # Tables alone: the views of a build read files.
        for name, definition in connection.execute(
            "select table_name, sql from duckdb_tables() where database_name = 'original' and schema_name = 'main'"
        ).fetchall():
            columns = connection.execute(f"describe main.{identifier(name)}").fetchall()
            _copy_definition(connection, name, definition)
            is_copied = any(_CITY.search(column) for column in keys[name])
            rows = _enlarged(name, columns, copies) if is_copied else f"from main.{identifier(name)}"
            connection.execute(f"insert into enlarged.main.{identifier(name)} {rows}")
        connection.execute("checkpoint enlarged")
        return {name: _count(connection, f"enlarged.main.{identifier(name)}") for name in names}


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute(
        "select table_name from duckdb_tables() where database_name = current_database() and schema_name = 'main' "
        "order by 1"
    ).fetchall()
    return [name for (name,) in rows]


def _copy_definition(connection: duckdb.DuckDBPyConnection, name: str, definition: str) -> None:
    """Make an empty table like one of the original, with its comments."""
    connection.execute("use enlarged")
    connection.execute(definition)
    connection.execute("use original")
    (comment,) = connection.execute(
        "select comment from duckdb_tables() where database_name = 'original' and table_name = ?", [name]
    ).fetchone()
    target = f"enlarged.main.{identifier(name)}"
    if comment:
        connection.execute(f"comment on table {target} is {quoted(comment)}")
    for column, text in connection.execute(
        "select column_name, comment from duckdb_columns() where database_name = 'original' and table_name = ?", [name]
    ).fetchall():
        if text:
            connection.execute(f"comment on column {target}.{identifier(column)} is {quoted(text)}")


def _enlarged(table: str, columns: list[tuple], copies: int) -> str:
    """The rows of a table with those of each city copied."""
    names = [name for name, *_rest in columns]
    rows = f"from original.main.{identifier(table)}"
    replaced = [
        f"{name} || case when copy > 0 then '-' || copy else '' end as {name}"
        if _CITY.search(name)
        else f"cast(({name} - 1) * {copies} + copy + 1 as {data_type}) as {name}"
        for name, data_type, *_rest in columns
        if _CITY.search(name) or (_RANK.search(name) and data_type != "VARCHAR")
    ]
    wanted = f"edition = {quoted(EDITION)}" if "edition" in names else "true"
    return (
        f"select * exclude (copy) replace ({', '.join(replaced)}) {rows} cross join range({copies}) as copies(copy) "
        f"where {wanted} union all {rows} where not coalesce({wanted}, false)"
    )


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    return connection.execute(f"select count(*) from {relation}").fetchone()[0]


def assemble(build: Path, folder: Path, memory_bytes: int, keys: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The product's own way from a build to the files of a release, without report and exports; gives their rows."""
    folder.mkdir(parents=True)
    _content_hash, rows = assemble_tables(build, folder, memory_bytes, keys)
    manifest = Manifest(
        release_id="benchmark",
        sequence=1,
        built_at_utc="2020-01-01T00:00:00Z",
        code_version="benchmark",
        input_hash="",
        content_hash="",
        duckdb_version=duckdb.__version__,
        storage_version=STORAGE_VERSION,
        notice="",
        checks={},
        tables=rows,
    )
    checks = [Check(f"check {number}", "dbt_test", "table", PASSED, "critical", "", "") for number in range(_CHECKS)]
    return rows | add_release_tables(folder, manifest, checks)


def copy_by_duckdb(build: Path, folder: Path, memory_bytes: int) -> dict[str, int]:
    """The same tables as a database, as Parquet and as CSV by DuckDB alone: no key, no comment, no order."""
    folder.mkdir(parents=True)
    rows = {}
    memory = in_bounded_memory(memory_bytes, folder / "spilled")
    with duckdb.connect(config={**memory, "preserve_insertion_order": "false"}) as connection:
        connection.execute(f"attach {quoted(build)} as build (read_only)")
        connection.execute(
            f"attach {quoted(folder / DATABASE_NAME)} as copied (storage_version {quoted(STORAGE_VERSION)})"
        )
        connection.execute("use build")
        for table in _tables(connection):
            name = identifier(table)
            connection.execute(f"create table copied.main.{name} as from build.main.{name}")
            for form in ("parquet", "csv"):
                target = quoted(folder / f"{table}.{form}")
                connection.execute(f"copy copied.main.{name} to {target} (format {form})")
            rows[table] = _count(connection, f"copied.main.{name}")
    return rows


class TimedConnection:
    """A connection that notes how long each query took until all its rows were there."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.seconds: list[tuple[float, str]] = []

    def execute(self, query: str, parameters: Any = None) -> _Fetched:
        """Run a query and fetch its rows."""
        started = time.perf_counter()
        cursor = self._connection.execute(query, parameters)
        rows = cursor.fetchall()
        self.seconds.append((time.perf_counter() - started, query))
        return _Fetched(cursor.description, rows)


class _Fetched:
    """Rows that were fetched, as a cursor gives them."""

    def __init__(self, description: list, rows: list[tuple]) -> None:
        self.description = description
        self._rows = rows

    def fetchall(self) -> list[tuple]:
        return self._rows

    def fetchone(self) -> tuple | None:
        return self._rows[0] if self._rows else None


def time_page_queries(database: Path, page_limit: int, repeats: int, memory_bytes: int) -> list[tuple[float, str]]:
    """Seconds of every query that the report's pages ask of a published database, so many times over."""
    with open_database(database, in_bounded_memory(memory_bytes, database.parent / "spilled")) as connection:
        timed = TimedConnection(connection)
        for _repeat in range(repeats):
            read_release(timed, page_limit)
    return timed.seconds


def main() -> None:
    """Run one step, and print what it gives as JSON."""
    step, first, *others = sys.argv[1:]
    if step == "enlarge":
        given = enlarge(Path(first), Path(others[0]), int(others[1]), primary_keys(Path(others[2])))
    elif step == "assemble":
        given = assemble(Path(first), Path(others[0]), int(others[1]), primary_keys(Path(others[2])))
    elif step == "copy":
        given = copy_by_duckdb(Path(first), Path(others[0]), int(others[1]))
    elif step == "queries":
        given = time_page_queries(Path(first), *map(int, others))
    else:
        sys.exit(f"no such step: {step}")
    print(json.dumps(given, ensure_ascii=False))


if __name__ == "__main__":
    main()
