"""A generated index of any size, landed as the product lands: the same arguments give the same rows everywhere.

What belongs here: its tree, its cities and its observations, written into ``raw/`` of a home through the product's own
store, so that models and nightly runs read them as they read everything else. The rows are taken as right: judging them
is what ``benchmarks.landing_over_duckdb`` times. What does not: any timing.

A value is made from whole numbers alone (the mixing steps of MurmurHash3, 32 bits, public domain, by Austin Appleby),
so it depends on no library's random numbers and on no order of rows.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from city_index.contracts import contracts
from city_index.database import connect, in_bounded_memory, quoted
from city_index.errors import UsageError
from city_index.landing.raw_store import BatchRecord, RawStore, write_batch
from city_index.settings import PROJECT_DIRECTORY, Settings

INDEX_CODE = "generated"
LAST_EDITION = 2020
PROVINCES = 34

_CHILDREN = 5
_SECONDARIES = 3

# What leaves hold, in turn: how a value becomes a score, its direction, the size of its values, and its norms.
_LEAF_KINDS = (
    ("score", 1, 100, None, None),
    ("min_max", 1, 1_000, None, None),
    ("min_max", -1, 50, None, None),
    ("goalposts", 1, 1_000, 100, 900),
)

_SQL_TYPES = {"string": "varchar", "double": "double", "integer": "bigint", "date": "date"}
_LARGEST = 1 << 31


@dataclass(frozen=True)
class GeneratedIndex:
    """What is generated.

    Attributes:
        cities: how many cities.
        indicators: how many tertiaries; five to a secondary, three secondaries to a primary, the last ones with fewer.
        editions: how many editions, the last one of the year 2020.
        seed: another one gives other values.
        missing_percent: of each tertiary, the percentage of cities without a value.
    """

    cities: int = 150
    indicators: int = 60
    editions: int = 1
    seed: int = 1
    missing_percent: int = 2

    def __post_init__(self) -> None:
        if min(self.cities, self.indicators, self.editions) < 1 or not 0 <= self.missing_percent < 100:
            raise UsageError("an index has at least one city, indicator and edition, and values: 0 to 99 % are missing")
        if not 0 <= self.seed < _LARGEST or self.cities * self.indicators >= _LARGEST:
            raise UsageError(f"seeds, and cities times indicators, stay below {_LARGEST}")

    @property
    def edition_labels(self) -> list[str]:
        """The editions, oldest first."""
        return [str(year) for year in range(LAST_EDITION - self.editions + 1, LAST_EDITION + 1)]

    def nodes(self) -> Iterator[dict[str, object]]:
        """The nodes of its tree, the same in each edition, with the columns of a framework that they fill."""
        secondaries = -(-self.indicators // _CHILDREN)
        primaries = -(-secondaries // _SECONDARIES)
        yield _inner("total", None, 1)
        for number in range(primaries):
            yield _inner(f"primary_{number}", "total", 1 + number % 3)
        for number in range(secondaries):
            yield _inner(f"secondary_{number}", f"primary_{number // _SECONDARIES}", 1 + number % 4)
        for number in range(self.indicators):
            normalisation, direction, _size, low, high = _LEAF_KINDS[number % len(_LEAF_KINDS)]
            yield {
                "indicator_code": f"leaf_{number}",
                "parent_code": f"secondary_{number // _CHILDREN}",
                "weight": float(1 + number % 5),
                "direction": direction,
                "normalisation": normalisation,
                "norm_low": low,
                "norm_high": high,
            }


def _inner(code: str, parent: str | None, weight: int) -> dict[str, object]:
    return {"indicator_code": code, "parent_code": parent, "weight": float(weight), "aggregation": "arithmetic"}


def land(settings: Settings, index: GeneratedIndex) -> dict[str, int]:
    """Put an index into ``raw/`` of a home, as three kinds of batches; gives the rows of each kind.

    The cities are one batch, the frameworks one, the observations one for each edition. Nobody else may use the home.
    """
    store = RawStore(settings)
    store.recover()
    number = max((record.batch_number for record in store.records()), default=0)
    work = settings.landing_work
    work.mkdir(parents=True, exist_ok=True)
    rows: dict[str, int] = {}
    memory = in_bounded_memory(settings.landing_memory_bytes, work / "spilled")
    with connect(memory, paths=[work]) as connection:
        _load_nodes(connection, index)
        for kind, name, query in _batches(index):
            number += 1
            (count,) = connection.execute(f"select count(*) from ({query})").fetchone()
            record = BatchRecord(
                batch_id=f"{number:06d}-{kind}-{name}",
                batch_number=number,
                kind=kind,
                file_name=f"{name}.parquet",
                file_sha256=hashlib.sha256(f"{index} {kind} {name}".encode()).hexdigest(),
                received_at_utc=datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds"),
                received_count=count,
                accepted_count=count,
                quarantined_count=0,
                retry_of=None,
            )
            store.commit(write_batch(connection, record, query, None, work))
            rows[kind] = rows.get(kind, 0) + count
    store.settle()
    return rows


# The finalizer of MurmurHash3: each step takes the number before it, ``n``, which stays below 2^32.
_MIXING = (
    "xor({n}, {n} >> 16)",
    "({n} * 2246822507::ubigint) & 4294967295::ubigint",
    "xor({n}, {n} >> 13)",
    "({n} * 3266489909::ubigint) & 4294967295::ubigint",
    "xor({n}, {n} >> 16)",
)


def _with_mixed(query: str, name: str, number: str) -> str:
    """A query with one more column: a whole number below 2^32 that looks like any other, made from a given one.

    Steps stand in queries of their own, so that each is computed once.
    """
    query = f"select *, ({number})::ubigint & 4294967295::ubigint as {name} from ({query})"
    for step in _MIXING:
        query = f"select * replace ({step.format(n=name)} as {name}) from ({query})"
    return query


def _load_nodes(connection: duckdb.DuckDBPyConnection, index: GeneratedIndex) -> None:
    columns = contracts()["frameworks"].columns
    definitions = ", ".join(f"{column.name} {_SQL_TYPES[column.data_type]}" for column in columns)
    connection.execute(f"create table nodes ({definitions})")
    named = [
        {
            "index_code": INDEX_CODE,
            "edition": edition,
            **node,
            "name_zh": f"指标 {node['indicator_code']}",
            "name_en": f"Indicator {node['indicator_code']}",
            "weight_status": "assumed",
        }
        for edition in index.edition_labels
        for node in index.nodes()
    ]
    connection.executemany(
        f"insert into nodes values ({', '.join('?' * len(columns))})",
        [[node.get(column.name) for column in columns] for node in named],
    )


def _batches(index: GeneratedIndex) -> Iterator[tuple[str, str, str]]:
    """Kind, name and rows of each batch."""
    yield "cities", "cities", _typed("cities", _CITIES.format(cities=index.cities, provinces=PROVINCES))
    yield "frameworks", "frameworks", "select *, row_number() over () as row_number from nodes"
    for edition in index.edition_labels:
        yield "observations", edition, _typed("observations", _observations(index, edition))


def _observations(index: GeneratedIndex, edition: str) -> str:
    """The observations of an edition, city by city. How good a city is bears on all its values, in every edition."""
    cells = (
        f"select cell, cell // {index.indicators} as city, cell % {index.indicators} as leaf "
        f"from range({index.cities * index.indicators}) as cells(cell)"
    )
    with_city = _with_mixed(cells, "of_city", f"city + {index.seed}::ubigint * 2654435761")
    with_cell = _with_mixed(with_city, "of_cell", f"of_city + leaf * 40503 + {int(edition)} * 65599")
    with_gap = _with_mixed(with_cell, "of_gap", "of_cell + 1")
    sizes = " ".join(f"when {number} then {kind[2]}" for number, kind in enumerate(_LEAF_KINDS))
    size = f"case leaf % {len(_LEAF_KINDS)} {sizes} end"
    return f"""
        select
            {quoted(INDEX_CODE)} as index_code,
            {quoted(edition)} as edition,
            'c' || city as city_code,
            'leaf_' || leaf as indicator_code,
            round(({size}) * (0.6 * of_city + 0.4 * of_cell) / 4294967296, 2) as value,
            'observed' as provenance,
            cell as row_number
        from ({with_gap})
        where of_gap >= {index.missing_percent} * 42949673::ubigint
    """


def _typed(kind: str, query: str) -> str:
    """The columns of a contract from a query that gives some of them, and ``row_number``."""
    empty = ", ".join(
        f"cast(null as {_SQL_TYPES[column.data_type]}) as {column.name}" for column in contracts()[kind].columns
    )
    return f"select {empty}, cast(null as bigint) as row_number where false union all by name {query}"


_CITIES = """
    select
        'c' || city as city_code,
        '城' || city as name_zh,
        'City ' || city as name_en,
        '省' || city % {provinces} as province_zh,
        'Province ' || city % {provinces} as province_en,
        city as row_number
    from range({cities}) as cities(city)
"""


def main() -> None:
    """Land a generated index in a home, and say how many rows of each kind it has."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generated", description=main.__doc__)
    parser.add_argument("home", type=Path, help="the home, such as CITY_INDEX_HOME names")
    defaults = GeneratedIndex()
    for name in ("cities", "indicators", "editions", "seed", "missing-percent"):
        default = getattr(defaults, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    arguments = vars(parser.parse_args())
    home = arguments.pop("home").absolute()
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=home)
    for kind, count in land(settings, GeneratedIndex(**arguments)).items():
        print(f"{kind}: {count:,} rows")


if __name__ == "__main__":
    main()
