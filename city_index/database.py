"""Small helpers for DuckDB: how values and names are written into SQL, and a connection that installs nothing."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

from city_index.temporary import temporary_folder


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


def connect(config: Mapping[str, str] | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory connection that installs and loads no extension, with further settings where they are given.

    In a rebuild, what does not fit into memory goes where its temporary files go.
    """
    folder = temporary_folder()
    return duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            **({"temp_directory": str(folder / "spilled")} if folder is not None else {}),
            **(config or {}),
        }
    )
