"""What a build takes over from the build before: rows that name, by a hash, all that they follow from.

What belongs here: copying such tables out of a build, counting what was taken over, and handing their rows to the
models that would otherwise compute them. What does not: what rows follow from, which the models know
(``worlds.reuse``), and which build may be taken from (``builds``).

DuckDB is imported where it is used: on Spark these models run where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb
    import pandas

# The database with what can be taken over; it stands beside that of the build.
EARLIER_DATABASE = "earlier.duckdb"

# The column of a table that can be taken from: the hash of all that a row follows from.
FINGERPRINT = "edition_sha256"

# Reading takes rows of one edition at a time.
_READING = {"memory_limit": "256MiB", "threads": "1"}


def copy_takeable(database: Path, target: Path, config: Mapping[str, str]) -> None:
    """Copy every table of a build that can be taken from into a new database.

    Args:
        database: the build.
        target: the new database; it is not there.
        config: of the connection, such as ``in_bounded_memory`` gives.

    Raises:
        duckdb.Error: the build cannot be read, or the target not be written.
    """
    from city_index.database import connect, identifier, quoted

    with connect(config, databases={"build": database}, paths=[target.parent]) as connection:
        connection.execute(f"attach {quoted(target)} as earlier")
        for schema, name in _takeable(connection, "build"):
            table = f"{identifier(schema)}.{identifier(name)}"
            connection.execute(f"create schema if not exists earlier.{identifier(schema)}")
            connection.execute(f"create table earlier.{table} as from build.{table}")


def count_equal_editions(database: Path, earlier: Path) -> int:
    """How many editions every such table has rows of that follow from the same as before; 0 where it cannot be told."""
    import duckdb

    from city_index.database import connect, identifier

    try:
        with connect(databases={"build": database, "earlier": earlier}) as connection:
            found = []
            for schema, name in _takeable(connection, "earlier"):
                table = f"{identifier(schema)}.{identifier(name)}"
                query = (
                    f"select distinct index_code, edition from build.{table} "
                    f"where {FINGERPRINT} in (select {FINGERPRINT} from earlier.{table})"
                )
                found.append(set(connection.execute(query).fetchall()))
            return len(set.intersection(*found)) if found else 0
    except duckdb.Error:
        return 0


def _takeable(connection: duckdb.DuckDBPyConnection, database: str) -> list[tuple[str, str]]:
    return connection.execute(
        "select schema_name, table_name from duckdb_columns() "
        "inner join duckdb_tables() using (database_name, schema_name, table_name) "
        "where database_name = ? and column_name = ? order by all",
        [database, FINGERPRINT],
    ).fetchall()


class EarlierRows:
    """The rows of one table that can be taken over, by their fingerprints.

    Args:
        connection: to the database with them; none where there is none.
        table: the table, as SQL.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection | None, table: str) -> None:
        self._connection = connection
        self._table = table

    def of(self, fingerprint: str, columns: Sequence[str]) -> pandas.DataFrame | None:
        """The rows that follow from what a fingerprint stands for; None where there are none, or none can be read."""
        if self._connection is None:
            return None
        import duckdb

        names = ", ".join(columns)
        try:
            frame = self._connection.execute(
                f"select {names} from {self._table} where {FINGERPRINT} = ?", [fingerprint]
            ).df()
        except duckdb.Error:  # they are computed, as they are without an earlier build
            return None
        return frame if len(frame) else None


@contextmanager
def earlier_rows(dbt: Any, session: Any) -> Iterator[EarlierRows]:
    """What a Python model can take over of its own table; nothing on Spark, which keeps no build before.

    Args:
        dbt: the first argument of the model.
        session: its second one.
    """
    earlier = None
    if not hasattr(session, "createDataFrame"):
        query = "select path from duckdb_databases() where database_name = current_database()"
        ((path,),) = session.execute(query).fetchall()
        earlier = Path(path).with_name(EARLIER_DATABASE) if path else None
    with rows_of_database(earlier, f"{dbt.this.schema}.{dbt.this.identifier}") as rows:
        yield rows


@contextmanager
def rows_of_database(path: Path | None, table: str) -> Iterator[EarlierRows]:
    """The rows of a table of a database; none where it is not there, or cannot be opened."""
    connection = None
    if path is not None and path.is_file():
        import duckdb

        from city_index.database import open_database

        try:
            connection = open_database(path, _READING)
        except duckdb.Error:
            connection = None
    try:
        yield EarlierRows(connection, table)
    finally:
        if connection is not None:
            connection.close()
