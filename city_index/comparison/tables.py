"""The tables of two databases side by side, where one may lack what the other has.

What belongs here: which tables and columns a comparison reads, and views of them that both sides have. What does not:
what is made of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb

from city_index.comparison.sides import Side
from city_index.database import identifier
from city_index.errors import CityIndexError

BEFORE = "before"
AFTER = "after"

TEXT, NUMBER, WHOLE, FLAG, DAY, TIME = "varchar", "double", "bigint", "boolean", "date", "timestamp"


@dataclass(frozen=True)
class Compared:
    """A table that is compared.

    Attributes:
        name: the table.
        key: its columns without which nothing can be compared.
        columns: the others, with their types.
        is_needed: whether there is no comparison without it.
        is_own: whether each side is read by itself. Of other tables a column counts only where both sides have it, so
            that what one side lacks is no difference.
    """

    name: str
    key: dict[str, str]
    columns: dict[str, str] = field(default_factory=dict)
    is_needed: bool = False
    is_own: bool = False


_EDITION = {"index_code": TEXT, "edition": TEXT}
_CITY = {**_EDITION, "city_code": TEXT}

TABLES = (
    Compared(
        "dim_editions",
        _EDITION,
        {
            "edition_ordinal": WHOLE,
            "title_zh": TEXT,
            "title_en": TEXT,
            "publisher_zh": TEXT,
            "publisher_en": TEXT,
            "provenance": TEXT,
            "reconstructed_share": NUMBER,
            "assumed_weight_share": NUMBER,
            "report_decimals": WHOLE,
            "weighting_statistic_code": TEXT,
            "weighting_year": WHOLE,
            "as_of_date": DAY,
            "is_synthetic": FLAG,
            "random_seed": WHOLE,
        },
        is_needed=True,
    ),
    Compared(
        "dim_indicators",
        {**_EDITION, "indicator_code": TEXT, "parent_code": TEXT, "level": WHOLE, "weight": NUMBER},
        {
            "name_zh": TEXT,
            "name_en": TEXT,
            "effective_weight": NUMBER,
            "weight_status": TEXT,
            "direction": WHOLE,
            "normalisation": TEXT,
            "norm_low": NUMBER,
            "norm_high": NUMBER,
            "scale_low": NUMBER,
            "scale_high": NUMBER,
            "aggregation": TEXT,
            "missing_policy": TEXT,
            "min_coverage": NUMBER,
            "denominator": TEXT,
            "denominator_year": WHOLE,
            "imputation": TEXT,
            "treatment": TEXT,
            "treatment_limit": WHOLE,
        },
        is_needed=True,
    ),
    Compared(
        "fct_city_scores",
        {**_CITY, "total_score": NUMBER, "total_rank": WHOLE},
        {"tier_code": TEXT, "coverage_share": NUMBER, "provenance": TEXT},
        is_needed=True,
    ),
    Compared(
        "fct_indicator_scores",
        {**_CITY, "indicator_code": TEXT, "level": WHOLE, "score": NUMBER},
        {"contribution": NUMBER, "contribution_method": TEXT},
        is_needed=True,
    ),
    Compared(
        "fct_indicator_values",
        {**_CITY, "indicator_code": TEXT, "observed_value": NUMBER},
        {
            "provenance": TEXT,
            "rule_code": TEXT,
            "divisor": NUMBER,
            "is_imputed": FLAG,
            "untreated_value": NUMBER,
            "treated_value": NUMBER,
        },
    ),
    Compared(
        "dim_tiers",
        {"index_code": TEXT, "tier_code": TEXT},
        {"name_zh": TEXT, "name_en": TEXT, "lower_bound_score": NUMBER, "upper_bound_score": NUMBER},
    ),
    Compared(
        "fct_cluster_scores",
        {**_EDITION, "cluster_code": TEXT, "indicator_code": TEXT},
        {
            "gdp_weighted_score": NUMBER,
            "mean_score": NUMBER,
            "city_count": WHOLE,
            "weighted_city_count": WHOLE,
        },
    ),
    Compared("dim_cities", {"city_code": TEXT}, {"name_zh": TEXT, "name_en": TEXT, "cluster_code": TEXT}),
    Compared("rpt_city_index", _CITY, {"notice_zh": TEXT, "notice_en": TEXT}, is_own=True),
    Compared(
        "fct_corrections",
        {"kind": TEXT, "row_key": TEXT, "field_name": TEXT, "new_batch_id": TEXT},
        {
            **_CITY,
            "indicator_code": TEXT,
            "old_value": NUMBER,
            "new_value": NUMBER,
            "new_file_name": TEXT,
            "corrected_at_utc": TIME,
        },
        is_own=True,
    ),
    Compared(
        "meta_batches",
        {"batch_id": TEXT},
        {
            "batch_number": WHOLE,
            "kind": TEXT,
            "file_name": TEXT,
            "received_count": WHOLE,
            "accepted_count": WHOLE,
            "quarantined_count": WHOLE,
        },
        is_own=True,
    ),
)


@dataclass(frozen=True)
class Lacks:
    """What could not be compared.

    Attributes:
        tables: the tables that at least one side lacks, or whose key it lacks.
        columns: the columns of other tables that exactly one side has, as ``table.column``.
        remarks: the same, in sentences.
    """

    tables: frozenset[str]
    columns: frozenset[str]
    remarks: tuple[str, ...]

    def has(self, table: str, *columns: str) -> bool:
        """Whether both sides have a table and all these columns of it."""
        return table not in self.tables and not any(f"{table}.{column}" in self.columns for column in columns)


def view_sides(connection: duckdb.DuckDBPyConnection, before: Side, after: Side) -> Lacks:
    """Make views ``before_<table>`` and ``after_<table>`` of what is compared.

    Args:
        connection: has the databases attached, as ``before_release`` and ``after_release``.
        before: the one side.
        after: the other side.

    Raises:
        CityIndexError: a side lacks a table without which nothing can be compared.
    """
    found: dict[str, dict[str, set[str]]] = {}
    for name in (BEFORE, AFTER):
        found[name] = _columns(connection, f"{name}_release")
    tables: set[str] = set()
    columns: set[str] = set()
    lacking: dict[str, list[str]] = {BEFORE: [], AFTER: []}
    for table in TABLES:
        has = {name: table.key.keys() <= found[name].get(table.name, set()) for name in found}
        for name, side in ((BEFORE, before), (AFTER, after)):
            if not has[name]:
                tables.add(table.name)
                if table.is_needed:
                    raise CityIndexError(
                        f"{side.label} cannot be compared: it has no whole table {table.name}; run `city-index run`"
                    )
                lacking[name].append(f"table {table.name}")
        shared = set(table.columns)
        for columns_of in found.values():
            shared &= columns_of.get(table.name, set())
        if all(has.values()) and not table.is_own:
            for column in table.columns.keys() - shared:
                columns.add(f"{table.name}.{column}")
            for name in found:
                gone = sorted(table.columns.keys() - found[name][table.name])
                lacking[name] += [f"{table.name}.{column}" for column in gone]
        for name, columns_of in found.items():
            is_read = has[name] if table.is_own else all(has.values())
            readable = columns_of.get(table.name, set()) if table.is_own else shared
            connection.execute(_view(name, table, is_read, readable))
    remarks = tuple(
        f"{side.label} lacks {', '.join(lacking[name])}: not compared"
        for name, side in ((BEFORE, before), (AFTER, after))
        if lacking[name]
    )
    return Lacks(frozenset(tables), frozenset(columns), remarks)


def _columns(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for table, column in connection.execute(
        "select table_name, column_name from duckdb_columns() where database_name = ? and schema_name = 'main'",
        [database],
    ).fetchall():
        found.setdefault(table, set()).add(column)
    return found


def _view(name: str, table: Compared, is_read: bool, readable: set[str]) -> str:
    expressions = [
        f"try_cast({identifier(column)} as {kind}) as {column}"
        if is_read and (column in table.key or column in readable)
        else f"cast(null as {kind}) as {column}"
        for column, kind in {**table.key, **table.columns}.items()
    ]
    source = f"from {name}_release.main.{identifier(table.name)}" if is_read else "where false"
    return f"create view {name}_{table.name} as select {', '.join(expressions)} {source}"
