"""Codes of indices, editions, indicators and scenarios: numbers in the wide tables of a build, text for all else."""

from __future__ import annotations

import duckdb
import pandas
from support import Published, rows

from city_index.frames import frame_of

WIDE_TABLES = ("int_observations", "int_city_indicator_values", "int_tertiary_scores", "int_indicator_scores")
CODES = ("index_code", "edition", "indicator_code")


def test_wide_tables_of_a_build_keep_codes_as_numbers(published: Published) -> None:
    types = {
        found[:2]: found[2]
        for found in rows(
            published.home / "warehouse" / "build" / "build.duckdb",
            "select table_name, column_name, data_type from duckdb_columns() where schema_name = 'intermediate'",
        )
    }
    for table in WIDE_TABLES:
        for code in CODES:
            assert types[table, code].startswith("ENUM("), (table, code)
    assert types["int_tertiary_scores", "scenario"] == "ENUM('newest_method', 'published')"
    assert types["int_indicators", "parent_code"] == types["int_observations", "indicator_code"]


def test_readers_get_text(published: Published) -> None:
    coded = "select table_name, column_name from duckdb_columns() where data_type like 'ENUM%' and schema_name = 'main'"
    assert rows(published.database, coded) == []
    assert rows(published.home / "warehouse" / "build" / "build.duckdb", coded) == []


def test_python_models_get_text() -> None:
    with duckdb.connect() as connection:
        connection.execute("create type code as enum ('b', 'a')")
        connection.execute(
            "create table scores as select 'a'::code as indicator_code, 1.5 as score union all from (values (null, 2))"
        )
        frame = frame_of(connection.table("scores")).sort_values("score", ignore_index=True)
    assert frame["indicator_code"].dtype == object and frame["indicator_code"].iloc[0] == "a"
    assert pandas.isna(frame["indicator_code"].iloc[1])
    assert frame["score"].tolist() == [1.5, 2.0]
