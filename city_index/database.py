"""Small helpers for DuckDB: how values and names are written into SQL, and a connection that installs nothing."""

from __future__ import annotations

import glob
from pathlib import Path

import duckdb


def quoted(value: Path | str) -> str:
    """A value as an SQL string."""
    return "'" + str(value).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def file_pattern(path: Path) -> str:
    """A path as an SQL string for the functions of DuckDB that take patterns, matching that one file only."""
    return quoted(glob.escape(str(path)))


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory connection that installs and loads no extension."""
    return duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
