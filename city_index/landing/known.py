"""What a row may refer to: the cities, trees and editions known from the seeds, from raw/ and from this landing.

Makes and keeps, in the landing's database: ``known_cities``, ``known_frameworks`` (current trees, as text),
``known_nodes``, ``known_leaf_codes`` and ``known_editions``; ``known_standards`` and ``known_grades`` (of the versions
whose grades the seeds list); and ``used_editions`` where a framework is landed.
"""

from __future__ import annotations

from contextlib import suppress

import duckdb

from city_index.contracts import contracts
from city_index.database import connect, identifier, parquet_rows
from city_index.errors import GateRefused
from city_index.landing.raw_store import PreparedBatch, RawStore
from city_index.seeds import load_seeds
from city_index.settings import Settings

_NODE_NAMES = contracts()["frameworks"].names


def _as_text(names: tuple[str, ...]) -> str:
    return ", ".join(f"cast({identifier(name)} as varchar) as {identifier(name)}" for name in names)


def load_known(connection: duckdb.DuckDBPyConnection, settings: Settings, store: RawStore) -> None:
    """Make the tables of known codes.

    Raises:
        GateRefused: the seeds cannot be read.
    """
    try:
        load_seeds(
            connection,
            settings.seeds,
            only=("cities", "frameworks", "observations", "editions", "standards", "standard_grades"),
            prefix="seed_",
        )
    except (ValueError, OSError) as error:
        raise GateRefused(f"the shipped inputs cannot be read, so nothing can be landed: {error}") from None
    connection.execute(
        "create table known_standards as select distinct clean_text(standard_code) as known_standard_code "
        "from seed_standards"
    )
    connection.execute(
        "create table known_grades as select clean_text(standard_code) as graded_standard_code, "
        "clean_text(standard_version) as graded_standard_version, "
        "list(clean_text(grade) order by try_cast(grade_number as integer)) as grades "
        "from seed_standard_grades group by all"
    )
    connection.execute("create table known_cities (known_city_code varchar)")
    _add_cities(connection, "select clean_text(city_code) as city_code from seed_cities")
    columns = ", ".join(f"clean_text({identifier(name)}) as {identifier(name)}" for name in _NODE_NAMES)
    connection.execute(f"create table known_frameworks as select {columns} from seed_frameworks")
    if store.files("cities"):
        _add_cities(connection, f"from {parquet_rows(store.files('cities'))}")
    # Files may hold batches that overlap in number, so the trees are taken batch by batch.
    if store.files("frameworks"):
        connection.execute(
            # Files from before a column was added lack it.
            f"create temp table landed_frameworks as select batch_number, {_as_text(_NODE_NAMES)} from ("
            f"select {', '.join(f'cast(null as varchar) as {identifier(name)}' for name in _NODE_NAMES)} where false "
            f"union all by name from {parquet_rows(store.files('frameworks'))})"
        )
        _replace_trees(
            connection,
            f"select {_as_text(_NODE_NAMES)} from landed_frameworks as nodes where batch_number = ("
            " select max(batch_number) from landed_frameworks as others"
            " where others.index_code = nodes.index_code and others.edition = nodes.edition)",
        )
    _list_nodes(connection)


def load_used_editions(connection: duckdb.DuckDBPyConnection, store: RawStore) -> None:
    """Make the table of editions that have observations; only frameworks are held against it."""
    connection.execute("create table used_editions as select distinct index_code, edition from seed_observations")
    if store.files("observations"):
        landed = parquet_rows(store.files("observations"))
        connection.execute(f"insert into used_editions select distinct index_code, edition from {landed}")


def editions_with_frameworks(settings: Settings) -> list[tuple[str, str]]:
    """Index and edition of every framework among the seeds and in raw/, sorted."""
    found: set[tuple[str, str]] = set()
    with connect(paths=[settings.seeds, settings.raw]) as connection:
        with suppress(ValueError, OSError):  # seeds that cannot be read are the raw gate's to report
            load_seeds(connection, settings.seeds, only=("frameworks",))
            found.update(connection.execute("select distinct index_code, edition from frameworks").fetchall())
        files = RawStore(settings).files("frameworks")
        if files:
            found.update(connection.execute(f"select index_code, edition from {parquet_rows(files)}").fetchall())
    return sorted(edition for edition in found if all(edition))


def add_prepared(connection: duckdb.DuckDBPyConnection, prepared: PreparedBatch) -> None:
    """Add what a batch of this landing brings, so that later files may refer to it."""
    source = parquet_rows([prepared.accepted])
    if prepared.record.kind == "cities":
        _add_cities(connection, f"from {source}")
    elif prepared.record.kind == "frameworks":
        _replace_trees(connection, f"select {_as_text(_NODE_NAMES)} from {source}")
        _list_nodes(connection)


def _add_cities(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Add the ``city_code`` of a query; a code that is known already stays there once."""
    connection.execute(
        f"insert into known_cities select distinct city_code from ({query}) "
        "where city_code not in (select known_city_code from known_cities)"
    )


def _replace_trees(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Put whole trees in the place of those of the same index and edition."""
    connection.execute(f"create or replace temp table new_trees as {query}")
    connection.execute(
        "delete from known_frameworks where (index_code, edition) in (select index_code, edition from new_trees)"
    )
    connection.execute("insert into known_frameworks select * from new_trees")


def _list_nodes(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "create or replace table known_editions as select distinct "
        "index_code as known_index_code, edition as known_edition, "
        "(index_code, edition) in (select (index_code, edition) from seed_editions where is_synthetic = 'true') "
        "as known_is_synthetic from known_frameworks"
    )
    connection.execute(
        """
        create or replace table known_nodes as
        select
            nodes.index_code as node_index_code,
            nodes.edition as node_edition,
            nodes.indicator_code as node_indicator_code,
            parents.parent_code is null as node_is_leaf,
            coalesce(nodes.normalisation, 'score') as node_normalisation
        from known_frameworks as nodes
        left join (select distinct index_code, edition, parent_code from known_frameworks) as parents
            on nodes.index_code = parents.index_code and nodes.edition = parents.edition
            and nodes.indicator_code = parents.parent_code
        """
    )
    connection.execute(
        "create or replace table known_leaf_codes as select distinct node_indicator_code as known_leaf_code "
        "from known_nodes where node_is_leaf"
    )
