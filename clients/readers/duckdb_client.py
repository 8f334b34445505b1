"""DuckDB's own Python client, of any version: every table, every comment, and a new release."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb

from clients.readers.releases import NEXT, a_copy, folder, publish_next, row_counts
from clients.readers.saying import say


def main() -> None:
    """Read everything, and watch a release take the place of another one."""
    published = folder()
    counts = row_counts(published)
    with duckdb.connect(str(published / "city_index.duckdb"), read_only=True) as connection:
        read = {table: len(connection.execute(f'select * from "{table}"').fetchall()) for table in counts}
        say("reads every row of every table", read == counts, f"{len(read)} tables, {sum(read.values()):,} rows")
        (columns,) = connection.execute(
            "select count(*) from duckdb_columns() where not internal and comment is null"
        ).fetchone()
        (tables,) = connection.execute(
            "select count(*) from duckdb_tables() where not internal and comment is null"
        ).fetchone()
        say("shows a comment on every table and column", columns == tables == 0, f"{columns + tables} without")
        keyed = connection.execute(
            "select count(distinct table_name) from duckdb_constraints() where constraint_type = 'PRIMARY KEY'"
        ).fetchone()[0]
        say("shows the primary keys", keyed > 0, f"{keyed} tables")
        try:
            connection.execute("update meta_release set release_id = 'x'")
            say("refuses to write over a read-only connection", False)
        except duckdb.Error:
            say("refuses to write over a read-only connection", True)
    with tempfile.TemporaryDirectory() as scratch:
        watch(a_copy(published, Path(scratch)))


def watch(database: Path) -> None:
    """What connections from before and after a new release see."""
    asked = "select release_id from meta_release"
    first = duckdb.connect(str(database), read_only=True)
    (old,) = first.execute(asked).fetchone()
    publish_next(database)
    second = duckdb.connect(str(database), read_only=True)
    both = first.execute(asked).fetchone() == second.execute(asked).fetchone() == (old,)
    say("sees the old release while a connection of the process from before is open", both)
    first.close()
    second.close()
    with duckdb.connect(str(database), read_only=True) as third:
        say("sees the new release once these are closed", third.execute(asked).fetchone() == (NEXT,))


if __name__ == "__main__":
    main()
