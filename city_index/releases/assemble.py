"""Assembling a release: from the audited build to a folder that stands on its own.

The database of a release holds tables only, with their comments and keys, in a storage format that older clients
open. Parquet and CSV copies of each table stand beside it. Nothing here touches what readers see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from city_index.checks import Check
from city_index.checksums import file_sha256
from city_index.database import connect, copy_to_parquet, identifier, in_bounded_memory, quoted
from city_index.errors import CityIndexError
from city_index.releases.manifest import Manifest
from city_index.spreadsheets import copy_to_csv

DATABASE_NAME = "city_index.duckdb"

# The oldest storage format that DuckDB still writes; clients from 1.1 on open it.
STORAGE_VERSION = "v1.0.0"

# The key of rows that were inserted stays in memory, and can go to disk only once it is written there. So long tables
# are inserted in pieces.
_PIECE_ROWS = 1_000_000

# Tables that say when and how a release was made; they are left out of the content hash.
RELEASE_TABLES = ("meta_release", "meta_checks")

_META_TABLES = {
    "meta_release": (
        "This release: one row.",
        [
            ("release_id", "varchar not null", "Identifier of the release; the same in its manifest."),
            ("built_at_utc", "timestamp not null", "When the build began, UTC."),
            ("code_version", "varchar not null", "Version of the project and a fingerprint of its code."),
            ("input_hash", "varchar not null", "SHA-256 over all input files."),
            ("content_hash", "varchar not null", "SHA-256 over the data tables; equal for equal data."),
            ("duckdb_version", "varchar not null", "Version of the DuckDB that wrote the file."),
            ("storage_version", "varchar not null", "Storage format of the file."),
            ("notice", "varchar", "What must be said beside the scores of this release."),
        ],
    ),
    "meta_checks": (
        "Every check of this release: one row per check.",
        [
            ("name", "varchar not null", "The claim that was checked."),
            (
                "kind",
                "varchar not null",
                "dbt_test, dbt_unit_test, gx_landed (batches), gx_raw (seeds) or gx_marts.",
            ),
            ("asset", "varchar not null", "Table or file the claim is about."),
            ("status", "varchar not null", "passed; warned: failed and only recorded; skipped: could not apply."),
            ("severity", "varchar not null", "critical: a failure stops publishing; warning: it is recorded."),
            ("observed", "varchar", "What was found."),
            ("threshold", "varchar", "What was expected."),
            ("detail", "varchar", "The first offenders, where there are any."),
        ],
    ),
}
_META_KEYS = {"meta_release": ["release_id"], "meta_checks": ["kind", "name"]}


def _tables(connection: duckdb.DuckDBPyConnection, database: str) -> list[str]:
    return [
        name
        for (name,) in connection.execute(
            "select table_name from duckdb_tables() where database_name = ? and schema_name = 'main' order by 1",
            [database],
        ).fetchall()
    ]


def _columns(connection: duckdb.DuckDBPyConnection, database: str, table: str) -> list[tuple]:
    return connection.execute(
        "select column_name, data_type, is_nullable, comment from duckdb_columns() "
        "where database_name = ? and schema_name = 'main' and table_name = ? order by column_index",
        [database, table],
    ).fetchall()


def _copy_table(connection: duckdb.DuckDBPyConnection, table: str, key: Sequence[str]) -> int:
    """Copy a table of ``build`` into ``release`` with its key and comments, ordered by its key; gives its rows."""
    columns = _columns(connection, "build", table)
    definitions = [
        f"{identifier(name)} {data_type}{'' if is_nullable else ' not null'}"
        for name, data_type, is_nullable, _comment in columns
    ]
    key_list = ", ".join(identifier(column) for column in key)
    target = f"release.main.{identifier(table)}"
    connection.execute(f"create table {target} ({', '.join(definitions)}, primary key ({key_list}))")
    _insert_ordered(connection, f"build.main.{identifier(table)}", target, key_list)
    (comment,) = connection.execute(
        "select comment from duckdb_tables() where database_name = 'build' and schema_name = 'main' and table_name = ?",
        [table],
    ).fetchone()
    _comment_on(connection, target, comment, {name: text for name, _type, _null, text in columns})
    return connection.execute(f"select count(*) from {target}").fetchone()[0]


def _insert_ordered(connection: duckdb.DuckDBPyConnection, source: str, target: str, key_list: str) -> None:
    """Insert the rows of a table of the build into one of the release, ordered by its key."""
    (count,) = connection.execute(f"select count(*) from {source}").fetchone()
    if count <= _PIECE_ROWS:
        connection.execute(f"insert into {target} select * from {source} order by {key_list}")
        return
    connection.execute(f"create temp table ordered as select * from {source} order by {key_list}")
    for start in range(0, count, _PIECE_ROWS):
        connection.execute(
            f"insert into {target} select * from ordered where rowid >= {start} and rowid < {start + _PIECE_ROWS}"
        )
        connection.execute("checkpoint release")
    connection.execute("drop table ordered")
    (inserted,) = connection.execute(f"select count(*) from {target}").fetchone()
    if inserted != count:
        raise CityIndexError(f"{target} got {inserted} of {count} rows; run again")


def _comment_on(
    connection: duckdb.DuckDBPyConnection, target: str, comment: str | None, columns: dict[str, str | None]
) -> None:
    undocumented = [name for name, text in columns.items() if not (text or "").strip()]
    if undocumented or not (comment or "").strip():
        raise CityIndexError(
            f"{target} lacks a comment on {', '.join(undocumented) or 'the table'}; describe it in its model's YAML"
        )
    connection.execute(f"comment on table {target} is {quoted(comment)}")
    for name, text in columns.items():
        connection.execute(f"comment on column {target}.{identifier(name)} is {quoted(text)}")


def _create_meta_table(connection: duckdb.DuckDBPyConnection, table: str, rows: list[tuple]) -> None:
    comment, columns = _META_TABLES[table]
    definitions = [f"{name} {definition}" for name, definition, _comment in columns]
    definitions.append(f"primary key ({', '.join(_META_KEYS[table])})")
    target = f"release.main.{table}"
    connection.execute(f"create table {target} ({', '.join(definitions)})")
    if rows:
        connection.executemany(f"insert into {target} values ({', '.join('?' * len(columns))})", rows)
    _comment_on(connection, target, comment, {name: text for name, _definition, text in columns})


def _export_parquet(connection: duckdb.DuckDBPyConnection, folder: Path, table: str, key: Sequence[str]) -> None:
    ordered = f"select * from release.main.{identifier(table)} order by {', '.join(map(identifier, key))}"
    copy_to_parquet(connection, ordered, folder / f"{table}.parquet")


def _export_csv(connection: duckdb.DuckDBPyConnection, folder: Path, table: str, key: Sequence[str]) -> None:
    copy_to_csv(
        connection,
        f"release.main.{identifier(table)}",
        ", ".join(map(identifier, key)),
        folder / f"{table}.csv",
    )


def assemble_tables(
    build_database: Path, folder: Path, memory_bytes: int, keys: Mapping[str, Sequence[str]]
) -> tuple[str, dict[str, int]]:
    """Copy the data tables of a build into a release folder, as a database and as Parquet and CSV.

    Args:
        build_database: the audited build.
        folder: an empty folder.
        memory_bytes: what DuckDB may use of memory; the rest goes to disk, beside the build.
        keys: the columns of the primary key of each table.

    Returns:
        the content hash, in hex, and the rows of each table.

    Raises:
        CityIndexError: a table has no key, or a table or column has no comment.
    """
    (folder / "parquet").mkdir()
    (folder / "csv").mkdir()
    digest = hashlib.sha256()
    rows: dict[str, int] = {}
    memory = in_bounded_memory(memory_bytes, build_database.parent / "spilled")
    with connect(memory, databases={"build": build_database}, paths=[folder]) as connection:
        connection.execute(
            f"attach {quoted(folder / DATABASE_NAME)} as release (storage_version {quoted(STORAGE_VERSION)})"
        )
        for table in _tables(connection, "build"):
            key = keys.get(table)
            if key is None:
                raise CityIndexError(f"table {table} has no primary key; give its model one in its contract")
            rows[table] = _copy_table(connection, table, key)
            _export_parquet(connection, folder / "parquet", table, key)
            _export_csv(connection, folder / "csv", table, key)
            digest.update(f"{table}\0{file_sha256(folder / 'parquet' / f'{table}.parquet')}\n".encode())
        connection.execute("detach release")
    return digest.hexdigest(), rows


def add_release_tables(folder: Path, manifest: Manifest, checks: list[Check]) -> dict[str, int]:
    """Add meta_release and meta_checks to an assembled folder; gives their rows."""
    with connect(paths=[folder]) as connection:
        connection.execute(f"attach {quoted(folder / DATABASE_NAME)} as release")
        _comment, columns = _META_TABLES["meta_release"]
        release = {**vars(manifest), "built_at_utc": manifest.built_at_utc.removesuffix("Z")}
        _create_meta_table(connection, "meta_release", [tuple(release[name] for name, *_rest in columns)])
        ordered = sorted(checks, key=lambda check: (check.kind, check.name))
        _create_meta_table(
            connection,
            "meta_checks",
            [
                (c.name, c.kind, c.asset, c.status, c.severity, c.observed, c.threshold, c.detail or None)
                for c in ordered
            ],
        )
        for table in RELEASE_TABLES:
            _export_parquet(connection, folder / "parquet", table, _META_KEYS[table])
            _export_csv(connection, folder / "csv", table, _META_KEYS[table])
        connection.execute("checkpoint release")
        connection.execute("detach release")
    return {"meta_release": 1, "meta_checks": len(checks)}


def verify_database(folder: Path, release_id: str, rows: dict[str, int]) -> None:
    """Reopen a release's database as a reader would and hold it against what went in.

    Raises:
        CityIndexError: it is not what it should be.
    """
    database = folder / DATABASE_NAME
    with connect(databases={"release": database}, paths=[folder / "parquet"]) as connection:
        found = {
            table: connection.execute(f"select count(*) from release.main.{identifier(table)}").fetchone()[0]
            for table in _tables(connection, "release")
        }
        if found != rows:
            raise CityIndexError(f"{database} does not hold the rows that were copied: {found} instead of {rows}")
        ids = connection.execute("select release_id from release.main.meta_release").fetchall()
        if ids != [(release_id,)]:
            raise CityIndexError(f"{database} names the release {ids} instead of {release_id}")
        (unkept,) = connection.execute(
            "select count(*) from duckdb_tables() as tables where database_name = 'release' and ("
            " coalesce(comment, '') = '' or not has_primary_key"
            " or exists (select 1 from duckdb_columns() as columns where columns.database_name = 'release'"
            "  and columns.table_name = tables.table_name and coalesce(columns.comment, '') = ''))"
        ).fetchone()
        if unkept:
            raise CityIndexError(f"{database} lost the key or a comment of {unkept} tables")
        (views,) = connection.execute(
            "select count(*) from duckdb_views() where database_name = 'release' and not internal"
        ).fetchone()
        if views:
            raise CityIndexError(f"{database} holds {views} views; only tables are published")
        for table, table_rows in found.items():
            exported = connection.execute(
                f"select count(*) from read_parquet({quoted(folder / 'parquet' / f'{table}.parquet')})"
            ).fetchone()[0]
            if exported != table_rows:
                raise CityIndexError(f"parquet/{table}.parquet holds {exported} rows instead of {table_rows}")
