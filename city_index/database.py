"""DuckDB as the whole package uses it: how it is opened, and how values and names are written into SQL.

What belongs here: the only place that opens a database. No connection installs or loads an extension; each reaches the
databases that it was opened with and the files that it was given, and nothing else on the machine; and nobody can
change that afterwards. Values are given to queries as parameters, or written by ``quoted`` and ``identifier`` where SQL
takes no parameter.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

from city_index.temporary import temporary_folder

# Nothing is fetched, nothing is loaded, and a name that is no table is not looked up among Python's variables.
_CONFIGURATION = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
}

_DATABASE_SUFFIX = ".duckdb"


def quoted(value: Path | str) -> str:
    """A value as an SQL string."""
    return "'" + str(value).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def file_pattern(path: Path) -> str:
    """A path as an SQL string for the functions of DuckDB that take patterns, matching that one file only."""
    return quoted(glob.escape(str(path)))


def parquet_rows(paths: Iterable[Path]) -> str:
    """SQL of the rows of Parquet files that may lack some of each other's columns."""
    patterns = ", ".join(file_pattern(path) for path in paths)
    return f"read_parquet([{patterns}], union_by_name=true, hive_partitioning=false)"


def copy_to_parquet(
    connection: duckdb.DuckDBPyConnection, query: str, target: Path, metadata: Mapping[str, str] | None = None
) -> int:
    """Write the rows of a query to a Parquet file, with metadata of its own where that is given; gives their number."""
    entries = ", ".join(f"{key}: {quoted(text)}" for key, text in (metadata or {}).items())
    options = f", kv_metadata {{{entries}}}" if entries else ""
    return connection.execute(
        f"copy ({query}) to {quoted(target)} (format parquet, compression zstd{options})"
    ).fetchone()[0]


def in_bounded_memory(memory_bytes: int, spilled: Path) -> dict[str, str]:
    """The configuration of a connection that uses so much memory at most and puts the rest into a folder."""
    return {"memory_limit": f"{memory_bytes // (1 << 20)}MiB", "temp_directory": str(spilled)}


def connect(
    config: Mapping[str, str] | None = None,
    *,
    databases: Mapping[str, Path] | None = None,
    paths: Iterable[Path] = (),
) -> duckdb.DuckDBPyConnection:
    """A connection in memory that reaches what is named here and no other file, for as long as it lives.

    In a rebuild, what does not fit into memory goes where its temporary files go.

    Args:
        config: further settings, such as ``in_bounded_memory`` gives.
        databases: databases to attach for reading, by the name that queries know them by.
        paths: files that may be read and written, and folders with all files below them. A link is not followed out
            of them.

    Raises:
        duckdb.Error: a database cannot be opened.
    """
    folder = temporary_folder()
    spilled = {"temp_directory": str(folder / "spilled")} if folder is not None else {}
    connection = duckdb.connect(config={**_CONFIGURATION, **spilled, **(config or {})})
    try:
        for name, path in (databases or {}).items():
            connection.execute(f"attach {quoted(path)} as {identifier(name)} (read_only)")
        # DuckDB holds a pattern against what is allowed too, as it stands.
        allowed = f"[{', '.join(f'{quoted(path)}, {file_pattern(path)}' for path in paths)}]"
        connection.execute(f"set allowed_directories = {allowed}")
        connection.execute(f"set allowed_paths = {allowed}")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
    except BaseException:
        connection.close()
        raise
    return connection


def open_database(
    path: Path, config: Mapping[str, str] | None = None, *, paths: Iterable[Path] = ()
) -> duckdb.DuckDBPyConnection:
    """A connection that reads one database, whose tables need no prefix; see ``connect``.

    Raises:
        duckdb.Error: it cannot be opened.
    """
    name = path.name.removesuffix(_DATABASE_SUFFIX)
    connection = connect(config, databases={name: path}, paths=paths)
    connection.execute(f"use {identifier(name)}.main")
    return connection
