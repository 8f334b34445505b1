"""SQLAlchemy 2 over duckdb-sqlalchemy: what its inspector shows, and how an engine sees a new release."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sqlalchemy import Engine, MetaData, create_engine, func, inspect, select, text
from sqlalchemy.pool import NullPool

from clients.readers.releases import NEXT, a_copy, folder, publish_next, row_counts
from clients.readers.saying import say

_KEYS = """
select table_name, constraint_column_names
from duckdb_constraints()
where constraint_type = 'PRIMARY KEY'
"""


def engine_of(database: Path, **choices: object) -> Engine:
    """An engine that opens a file read-only."""
    return create_engine(f"duckdb:///{database}", connect_args={"read_only": True}, **choices)


def main() -> None:
    """Reflect everything, read everything, and watch a release take the place of another one."""
    published = folder()
    counts = row_counts(published)
    engine = engine_of(published / "city_index.duckdb")
    inspector = inspect(engine)
    names = set(inspector.get_table_names(schema="main"))
    say("reflects the tables", names == set(counts), f"{len(names)} tables")
    reflected = MetaData()
    reflected.reflect(engine, schema="main")
    tables = {table.name: table for table in reflected.tables.values()}
    with engine.connect() as connection:
        read = {name: connection.scalar(select(func.count()).select_from(table)) for name, table in tables.items()}
        say("counts every table through its reflection", read == counts, f"{sum(read.values()):,} rows")
        written = {table: set(columns) for table, columns in connection.execute(text(_KEYS))}
    columns = {(name, each["name"]): each["comment"] for name in names for each in inspector.get_columns(name, "main")}
    shown = sum(bool(comment) for comment in columns.values())
    say("reflects the column comments", shown == len(columns) > 0, f"{shown} of {len(columns)}")
    described = sum(bool(inspector.get_table_comment(name, "main")["text"]) for name in names)
    say("reflects the table comments", described == len(names), f"{described} of {len(names)}")
    keys = {name: set(inspector.get_pk_constraint(name, "main")["constrained_columns"]) for name in names}
    keys = {name: key for name, key in keys.items() if key}
    say("reflects the primary keys", keys == written, f"{len(keys)} of {len(written)}")
    engine.dispose()
    with tempfile.TemporaryDirectory() as scratch:
        watch(a_copy(published, Path(scratch)))


def watch(database: Path) -> None:
    """What engines see before and after a new release."""
    asked = text("select release_id from meta_release")
    pooled, unpooled = engine_of(database), engine_of(database, poolclass=NullPool)
    kind = type(pooled.pool).__name__
    with pooled.connect() as connection:
        old = connection.scalar(asked)
    publish_next(database)
    with pooled.connect() as connection:
        say("keeps the old release in the pool of an engine from before", connection.scalar(asked) == old, kind)
    pooled.dispose()
    with pooled.connect() as connection:
        say("sees the new release after engine.dispose()", connection.scalar(asked) == NEXT)
    pooled.dispose()
    with unpooled.connect() as connection:
        say("sees a new release at every connection with poolclass=NullPool", connection.scalar(asked) == NEXT)


if __name__ == "__main__":
    main()
