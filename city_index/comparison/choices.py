"""What was decided otherwise: frameworks, editions, bounds of tiers, members of clusters, and the clusters' scores.

What belongs here: reading the differences of the small tables, as data. What does not: their effect on scores
(``effects``).
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from city_index.comparison.effects import numbers_differ
from city_index.comparison.tables import NUMBER, TABLES, TEXT
from city_index.database import quoted

# Names are no choice of the method; which side has a node is said by itself.
_NOT_CHOICES = {"name_zh", "name_en", "level"}
_COLUMNS = {table.name: {**table.key, **table.columns} for table in TABLES}


@dataclass(frozen=True)
class Choice:
    """A choice that differs between the sides.

    Attributes:
        code: the indicator, tier or city it is about; none where it is about the edition.
        name_zh: what that is called, Chinese.
        name_en: the same, English.
        column: what was chosen, by the name of its column.
        before: the choice before, as text.
        after: the choice after, as text.
    """

    code: str | None
    name_zh: str | None
    name_en: str | None
    column: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class IndicatorOfOneSide:
    """An indicator that came or went."""

    indicator_code: str
    name_zh: str
    name_en: str
    level: int
    has_come: bool


@dataclass(frozen=True)
class ClusterMove:
    """A cluster whose total moved."""

    cluster_code: str
    gdp_weighted_before: float | None
    gdp_weighted_after: float | None
    mean_before: float | None
    mean_after: float | None
    city_count_before: int | None
    city_count_after: int | None


def framework_choices(connection: duckdb.DuckDBPyConnection, index_code: str, edition: str) -> tuple[Choice, ...]:
    """The choices of an edition's framework that differ, of the nodes that both sides have, top down."""
    columns = [
        column
        for column in _COLUMNS["dim_indicators"]
        if column not in {"index_code", "edition", "indicator_code", *_NOT_CHOICES}
    ]
    differences = _differences("dim_indicators", ["index_code", "edition", "indicator_code"], columns)
    rows = connection.execute(
        f"""
        select differences.indicator_code, nodes.name_zh, nodes.name_en, column_name, value_before, value_after
        from ({differences}) as differences
        inner join nodes using (index_code, edition, indicator_code)
        where index_code = ? and edition = ?
        order by column_name = 'effective_weight', nodes.level_after, indicator_code, column_number
        """,
        [index_code, edition],
    ).fetchall()
    return tuple(Choice(*row) for row in rows)


def edition_choices(connection: duckdb.DuckDBPyConnection, index_code: str, edition: str) -> tuple[Choice, ...]:
    """What differs in how an edition describes itself and its data."""
    columns = [column for column in _COLUMNS["dim_editions"] if column not in {"index_code", "edition"}]
    rows = connection.execute(
        f"""
        select null, null, null, column_name, value_before, value_after
        from ({_differences("dim_editions", ["index_code", "edition"], columns)})
        where index_code = ? and edition = ?
        order by column_number
        """,
        [index_code, edition],
    ).fetchall()
    return tuple(Choice(*row) for row in rows)


def tier_choices(connection: duckdb.DuckDBPyConnection, index_code: str) -> tuple[Choice, ...]:
    """The tiers of an index that came, went, or have other bounds."""
    columns = ["lower_bound_score", "upper_bound_score"]
    rows = connection.execute(
        f"""
        with names as (
            select
                index_code,
                tier_code,
                coalesce(after.name_zh, before.name_zh) as name_zh,
                coalesce(after.name_en, before.name_en) as name_en,
                before.tier_code is not null as is_before,
                after.tier_code is not null as is_after
            from before_dim_tiers as before
            full join after_dim_tiers as after using (index_code, tier_code)
        ),
        changes as (
            select tier_code, name_zh, name_en, column_name, value_before, value_after, column_number
            from ({_differences("dim_tiers", ["index_code", "tier_code"], columns)})
            inner join names using (index_code, tier_code)
            where index_code = $index_code
            union all
            select
                tier_code, name_zh, name_en, 'tier',
                case when is_before then 'there' end, case when is_after then 'there' end, 0
            from names
            where index_code = $index_code and is_before <> is_after
        )
        select * exclude (column_number) from changes order by tier_code, column_number
        """,
        {"index_code": index_code},
    ).fetchall()
    return tuple(Choice(*row) for row in rows)


def cluster_members(connection: duckdb.DuckDBPyConnection) -> tuple[Choice, ...]:
    """The cities of both sides that stand in another cluster than before."""
    rows = connection.execute(
        f"""
        select
            city_code, coalesce(after.name_zh, city_code), coalesce(after.name_en, city_code),
            column_name, value_before, value_after
        from ({_differences("dim_cities", ["city_code"], ["cluster_code"])})
        inner join after_dim_cities as after using (city_code)
        order by city_code
        """
    ).fetchall()
    return tuple(Choice(*row) for row in rows)


def indicators_of_one_side(
    connection: duckdb.DuckDBPyConnection, index_code: str, edition: str
) -> tuple[IndicatorOfOneSide, ...]:
    """The nodes of an edition's tree that came or went, top down."""
    rows = connection.execute(
        """
        select indicator_code, name_zh, name_en, coalesce(level_after, level_before), is_after
        from nodes
        where index_code = ? and edition = ? and is_before <> is_after
        order by is_after desc, 4, indicator_code
        """,
        [index_code, edition],
    ).fetchall()
    return tuple(IndicatorOfOneSide(*row) for row in rows)


def cluster_moves(connection: duckdb.DuckDBPyConnection, index_code: str, edition: str) -> tuple[ClusterMove, ...]:
    """The clusters whose total moved: by their cities, their members or the statistic that weights them."""
    rows = connection.execute(
        f"""
        with roots as (
            select index_code, edition, indicator_code from nodes where coalesce(level_after, level_before) = 0
        ),
        before as (
            select * from before_fct_cluster_scores semi join roots using (index_code, edition, indicator_code)
        ),
        after as (
            select * from after_fct_cluster_scores semi join roots using (index_code, edition, indicator_code)
        )
        select
            cluster_code,
            before.gdp_weighted_score,
            after.gdp_weighted_score,
            before.mean_score,
            after.mean_score,
            before.city_count,
            after.city_count
        from before
        full join after using (index_code, edition, cluster_code, indicator_code)
        where
            index_code = ? and edition = ?
            and (
                {numbers_differ("before.gdp_weighted_score", "after.gdp_weighted_score", 1e-9)}
                or {numbers_differ("before.mean_score", "after.mean_score", 1e-9)}
                or before.city_count is distinct from after.city_count
            )
        order by cluster_code
        """,
        [index_code, edition],
    ).fetchall()
    return tuple(ClusterMove(*row) for row in rows)


def _differences(table: str, key: list[str], columns: list[str]) -> str:
    """SQL of the fields that differ between the rows that both sides have: a row for each, in long form."""
    joined = ", ".join(key)
    selects = []
    for number, column in enumerate(columns):
        kind = _COLUMNS[table][column]
        before, after = f"before.{column}", f"after.{column}"
        if kind == NUMBER:
            condition = numbers_differ(before, after)
        elif kind == TEXT:
            condition = f"nullif({before}, '') is distinct from nullif({after}, '')"
        else:
            condition = f"{before} is distinct from {after}"
        selects.append(
            f"select {joined}, {number} as column_number, {quoted(column)} as column_name, "
            f"cast({before} as varchar) as value_before, cast({after} as varchar) as value_after "
            f"from before_{table} as before inner join after_{table} as after using ({joined}) where {condition}"
        )
    return " union all ".join(selects)
