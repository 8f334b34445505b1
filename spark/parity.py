"""Every table of one warehouse held against the same table of another.

What belongs here: finding rows that only one side has and values that differ. Which engines the two come from is not
known here, and both are read by DuckDB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from city_index.builds import primary_keys
from city_index.database import identifier
from city_index.errors import CityIndexError

# Of two doubles, relative where they are above one. Everything else is equal or differs.
TOLERANCE = 1e-9

_DOUBLES = ("DOUBLE", "FLOAT")


@dataclass(frozen=True)
class Table:
    """A table with a key.

    Attributes:
        name: its name.
        key: the columns that no two rows have in common.
    """

    name: str
    key: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """What two copies of a table have in common.

    Attributes:
        table: its name.
        row_counts: the rows of the first and of the second.
        value_count: the values that were compared.
        only_in: the rows that only the first has, and only the second.
        largest_difference: of two doubles, relative where they are above one; infinite where only one is null.
        differences: the values that differ, counted by column; of a column that one side lacks or has of another
            type all differ; and the key is named once for each row whose key another one has.
        example: the key of a row with a difference, and what is in it.
    """

    table: str
    row_counts: tuple[int, int]
    value_count: int
    only_in: tuple[int, int]
    largest_difference: float
    differences: dict[str, int] = field(default_factory=dict)
    example: str = ""

    @property
    def is_equal(self) -> bool:
        """Whether there is no difference."""
        return not any(self.only_in) and not self.differences


def published_tables(manifest: Path) -> list[Table]:
    """The tables with a contract, and their keys, as dbt's manifest has them.

    Raises:
        CityIndexError: one has no key, or there are none.
    """
    keys = primary_keys(manifest)
    if not keys:
        raise CityIndexError(f"{manifest} names no table with a contract: there is nothing to compare")
    return [Table(name, tuple(key)) for name, key in sorted(keys.items())]


def compare(connection: duckdb.DuckDBPyConnection, table: Table, first: str, second: str) -> Comparison:
    """Hold two copies of a table against each other.

    Args:
        connection: one that reads both.
        table: the table.
        first: SQL of the first relation: a name, or a table function.
        second: SQL of the second.
    """
    types = {side: _types(connection, side) for side in (first, second)}
    shared = [name for name, data_type in types[first].items() if types[second].get(name) == data_type]
    values = [name for name in shared if name not in table.key]
    rows = f"(select *, true as is_there from {first}) as a full join (select *, true as is_there from {second}) as b"
    joined = f"{rows} on {' and '.join(f'a.{identifier(name)} = b.{identifier(name)}' for name in table.key)}"
    both = "a.is_there and b.is_there"
    differs = {name: _differs(name, types[first][name]) for name in values}
    measured = [
        f"(select count(*) from {first})",
        f"(select count(*) from {second})",
        "count(*) filter (where b.is_there is null)",
        "count(*) filter (where a.is_there is null)",
        f"count(*) filter (where {both})",
        *(f"count(*) filter (where {both} and {condition})" for condition in differs.values()),
        *(f"max({_distance(name)}) filter (where {both})" for name in values if types[first][name] in _DOUBLES),
    ]
    found = connection.execute(f"select {', '.join(measured)} from {joined}").fetchone()
    row_counts, only_in = (found[0], found[1]), (found[2], found[3])
    differences = {name: count for name, count in zip(values, found[5:], strict=False) if count}
    apart = [name for name in types[first] | types[second] if name not in shared]
    differences |= dict.fromkeys(apart, max(*row_counts, 1))
    repeated = abs(found[4] - (row_counts[0] - only_in[0])) + abs(found[4] - (row_counts[1] - only_in[1]))
    if repeated:
        differences[", ".join(table.key)] = repeated
    distances = [distance for distance in found[5 + len(values) :] if distance is not None]
    conditions = [
        "a.is_there is null",
        "b.is_there is null",
        *(differs[name] for name in differences if name in differs),
    ]
    shown = [*table.key, *(name for name in differences if name in differs)]
    example = connection.execute(
        f"select {', '.join(f'a.{identifier(name)}, b.{identifier(name)}' for name in shown)} from {joined}"
        f" where {' or '.join(conditions)} limit 1"
    ).fetchone()
    return Comparison(
        table=table.name,
        row_counts=row_counts,
        value_count=(row_counts[0] - only_in[0]) * len(values),
        only_in=only_in,
        largest_difference=max(distances, default=0.0),
        differences=differences,
        example="" if example is None else _told(shown, example),
    )


def _types(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"describe select * from {relation}").fetchall()}


def _distance(name: str) -> str:
    """How far two doubles lie apart."""
    a, b = f"a.{identifier(name)}", f"b.{identifier(name)}"
    return (
        f"case when {a} is null and {b} is null then 0 when {a} is null or {b} is null then 'infinity'::double"
        f" else abs({a} - {b}) / greatest(1, abs({a})) end"
    )


def _differs(name: str, data_type: str) -> str:
    if data_type in _DOUBLES:
        # NaN is above every number.
        return f"not coalesce({_distance(name)} <= {TOLERANCE}, false)"
    return f"a.{identifier(name)} is distinct from b.{identifier(name)}"


def _told(names: list[str], values: tuple) -> str:
    pairs = zip(names, values[::2], values[1::2], strict=True)
    return ", ".join(
        f"{name} {first!r}" + (f" / {second!r}" if first != second else "") for name, first, second in pairs
    )


def parity_text(comparisons: list[Comparison], names: tuple[str, str]) -> str:
    """The comparisons as a table for people, and below it an example of each difference."""
    lines = [
        f"{'table':<28}{'rows':>10}{'values':>12}{'only ' + names[0]:>14}{'only ' + names[1]:>14}{'differ':>9}  largest"
    ]
    for each in comparisons:
        lines.append(
            f"{each.table:<28}{each.row_counts[0]:>10,}{each.value_count:>12,}{each.only_in[0]:>14,}"
            f"{each.only_in[1]:>14,}{sum(each.differences.values()):>9,}  {_size(each.largest_difference)}"
        )
    for each in comparisons:
        if not each.is_equal:
            counted = ", ".join(f"{name} in {count:,}" for name, count in each.differences.items())
            lines.append(f"{each.table} differs: {counted or 'rows'}; for instance {each.example}")
    return "\n".join(lines)


def _size(difference: float) -> str:
    return "null" if math.isinf(difference) else f"{difference:.1e}" if difference else "0"
