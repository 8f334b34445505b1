"""The rows of tables, as Python models take and give them: on DuckDB and on Spark alike.

What belongs here: what the two engines say in their own ways. What does not: arithmetic. A Python model is written
once; dbt gives it a DuckDB relation or a Spark data frame for each table that it refers to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas
    import pyspark.sql
    from duckdb import DuckDBPyRelation

    Table = DuckDBPyRelation | pyspark.sql.DataFrame


def frame_of(
    table: Table,
    columns: Sequence[str] | None = None,
    where: str | None = None,
    equal: Mapping[str, str] | None = None,
) -> pandas.DataFrame:
    """The rows of a table, in any order. Codes are text, which an engine may keep as numbers with a dictionary.

    Args:
        table: what ``dbt.ref`` gives.
        columns: the columns to take; all by default.
        where: an SQL condition that the rows meet; all rows by default.
        equal: columns and the values that the rows have there; values are no SQL.
    """
    if where is not None:
        table = table.filter(where)
    for column, value in (equal or {}).items():
        table = table.filter(_is_equal(table, column, value))
    if not hasattr(table, "df"):
        return (table.select(*columns) if columns is not None else table).toArrow().to_pandas()
    frame = (table.project(", ".join(columns)) if columns is not None else table).df()
    codes = frame.columns[frame.dtypes == "category"]
    return frame.astype(dict.fromkeys(codes, "str"))


def _is_equal(table: Table, column: str, value: str) -> Any:
    if not hasattr(table, "df"):
        return table[column] == value
    import duckdb

    return duckdb.ColumnExpression(column) == duckdb.ConstantExpression(value)


def table_of(frame: pandas.DataFrame, types: Mapping[str, str], session: Any) -> Any:
    """What a Python model gives back for the rows of a frame.

    Args:
        frame: the rows.
        types: the columns of the table with their pandas types.
        session: the second argument of the model: a DuckDB connection or a Spark session.
    """
    typed = frame[list(types)].astype(dict(types))
    if not hasattr(session, "createDataFrame"):
        return typed
    import pyarrow

    return session.createDataFrame(pyarrow.Table.from_pandas(typed, preserve_index=False))
