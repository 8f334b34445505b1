"""Small helpers for DuckDB: how values and names are written into SQL, and a connection that installs nothing."""

from __future__ import annotations

from pathlib import Path

import duckdb


def quoted(value: Path | str) -> str:
    """A value as an SQL string."""
    return "'" + str(value).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory connection that installs and loads no extension."""
    return duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
