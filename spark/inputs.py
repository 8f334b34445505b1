"""The raw rows of a build as Parquet files, which Spark reads: seeds and landed rows.

What belongs here: copying the two raw schemas of a build database, which DuckDB has typed, to a folder. From there they
may be taken to where a cluster reads them. What is done with them stands in ``macros/spark/parquet_rows.sql``.
"""

from __future__ import annotations

from pathlib import Path

from city_index.database import connect, copy_to_parquet, identifier, in_bounded_memory, quoted
from city_index.settings import Settings

# The schemas of the build database, by the folder that their tables are copied to.
_SCHEMAS = {"seeds": "raw", "landed": "landed"}


def export_inputs(settings: Settings, database: Path, folder: Path) -> dict[str, int]:
    """Copy the raw rows of a build into a folder; gives the rows of each file by its path there.

    Args:
        settings: of the home that the build is of: its landed rows are views over the home's files.
        database: the build database.
        folder: where to; made where it is not there, and files of the same names are replaced.

    Raises:
        duckdb.Error: the database cannot be read, or the folder not written.
    """
    written = {}
    config = in_bounded_memory(settings.build_memory_bytes, folder / "spilled")
    with connect(config, databases={"build": database}, paths=[folder, *settings.landed_paths]) as connection:
        for name, schema in _SCHEMAS.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            tables = connection.execute(
                "select table_name from information_schema.tables"
                f" where table_catalog = 'build' and table_schema = {quoted(schema)} order by table_name"
            ).fetchall()
            for (table,) in tables:
                path = f"{name}/{table}.parquet"
                rows = f"select * from build.{schema}.{identifier(table)}"
                written[path] = copy_to_parquet(connection, rows, folder / path)
    return written
