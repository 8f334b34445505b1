"""What a row may refer to: the cities, trees and editions known from the seeds, from raw/ and from this landing.

Makes and keeps, in the landing's database: ``known_cities``, ``known_frameworks`` (current trees, as text),
``known_nodes``, ``known_editions`` and ``used_editions``.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import duckdb

from city_index.contracts import contracts
from city_index.database import connect, file_pattern, identifier
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
        load_seeds(connection, settings.seeds, only=("cities", "frameworks", "observations"), prefix="seed_")
    except (ValueError, OSError) as error:
        raise GateRefused(f"the shipped inputs cannot be read, so nothing can be landed: {error}") from None
    connection.execute(
        "create table known_cities as select distinct clean_text(city_code) as known_city_code from seed_cities"
    )
    columns = ", ".join(f"clean_text({identifier(name)}) as {identifier(name)}" for name in _NODE_NAMES)
    connection.execute(f"create table known_frameworks as select {columns} from seed_frameworks")
    for path in store.files("cities"):
        connection.execute(f"insert into known_cities select distinct city_code from {_read(path)}")
    connection.execute(
        "create table used_editions as select index_code, edition, count(*) as observation_count "
        "from seed_observations group by all"
    )
    for path in store.files("observations"):
        connection.execute(
            f"insert into used_editions select index_code, edition, count(*) from {_read(path)} group by all"
        )
    # Files may hold batches that overlap in number, so the trees are taken batch by batch.
    if store.files("frameworks"):
        patterns = ", ".join(file_pattern(path) for path in store.files("frameworks"))
        connection.execute(
            f"create temp table landed_frameworks as select batch_number, {_as_text(_NODE_NAMES)} "
            f"from read_parquet([{patterns}], union_by_name=true, hive_partitioning=false)"
        )
        _replace_trees(
            connection,
            f"select {_as_text(_NODE_NAMES)} from landed_frameworks as nodes where batch_number = ("
            " select max(batch_number) from landed_frameworks as others"
            " where others.index_code = nodes.index_code and others.edition = nodes.edition)",
        )
    _list_nodes(connection)


def editions_with_frameworks(settings: Settings) -> list[tuple[str, str]]:
    """Index and edition of every framework among the seeds and in raw/, sorted."""
    found: set[tuple[str, str]] = set()
    with connect() as connection:
        with suppress(ValueError, OSError):  # seeds that cannot be read are the raw gate's to report
            load_seeds(connection, settings.seeds, only=("frameworks",))
            found.update(connection.execute("select distinct index_code, edition from frameworks").fetchall())
        for path in RawStore(settings).files("frameworks"):
            found.update(connection.execute(f"select distinct index_code, edition from {_read(path)}").fetchall())
    return sorted(edition for edition in found if all(edition))


def add_prepared(connection: duckdb.DuckDBPyConnection, prepared: PreparedBatch) -> None:
    """Add what a batch of this landing brings, so that later files may refer to it."""
    source = _read(prepared.accepted)
    if prepared.record.kind == "cities":
        connection.execute(f"insert into known_cities select distinct city_code from {source}")
        connection.execute("create or replace table known_cities as select distinct * from known_cities")
    elif prepared.record.kind == "frameworks":
        _replace_trees(connection, f"select {_as_text(_NODE_NAMES)} from {source}")
        _list_nodes(connection)


def _read(path: Path) -> str:
    return f"read_parquet({file_pattern(path)}, hive_partitioning=false)"


def _replace_trees(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Put whole trees in the place of those of the same index and edition."""
    connection.execute(f"create or replace temp table new_trees as {query}")
    connection.execute(
        "delete from known_frameworks where (index_code, edition) in (select index_code, edition from new_trees)"
    )
    connection.execute("insert into known_frameworks select * from new_trees")


def _list_nodes(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create or replace table known_cities as select distinct * from known_cities")
    connection.execute(
        "create or replace table known_editions as select distinct "
        "index_code as known_index_code, edition as known_edition from known_frameworks"
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
