"""Codes of indices, editions, indicators and scenarios: numbers in the wide tables of a build, text for all else."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas
import pytest
from support import Published, copy_project, dbt, rows

from benchmarks.warehouse import WITHOUT_TESTS
from city_index.dbt_client import DbtClient
from city_index.frames import frame_of
from city_index.settings import Settings

WIDE_TABLES = ("int_observations", "int_city_indicator_values", "int_tertiary_scores")
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
    assert frame["indicator_code"].dtype == "str" and frame["indicator_code"].iloc[0] == "a"
    assert pandas.isna(frame["indicator_code"].iloc[1])
    assert frame["score"].tolist() == [1.5, 2.0]


@pytest.mark.slow
def test_codes_of_any_form_and_none_at_all_are_built_in_one_file(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    settings = Settings(project_directory=project, home=tmp_path / "home")
    (settings.warehouse / "build").mkdir(parents=True)
    database = settings.warehouse / "build" / "build.duckdb"
    frameworks, observations = (project / "seeds" / f"{name}.csv" for name in ("frameworks", "observations"))
    shipped = frameworks.read_text(encoding="utf-8")
    header, root = shipped.splitlines()[:2]
    tables = ("build", "--select", "+int_indicators", *WITHOUT_TESTS)
    client = DbtClient(settings)
    node_count = len(shipped.splitlines()) - 1

    def added(code: str, parent: str) -> str:
        index_code, edition, _code, _parent, rest = root.split(",", 4)
        return f"{index_code},{edition},{code},{parent},{rest}\n"

    odd = """it's a "BÇ日\u0301" """.strip()
    quoted = '"' + odd.replace('"', '""') + '"'
    frameworks.write_text(shipped + added(quoted, "total") + added("orphan", "no_such_parent"), encoding="utf-8")
    code, said = dbt(client, settings, *tables)
    assert code == 0, said
    code, said = dbt(client, settings, "test", "--select", "assert_frameworks_are_trees_of_three_levels")
    assert code == 1 and "Failure in test assert_frameworks_are_trees_of_three_levels" in said, said
    codes = "select count(*), count(*) filter (parent_code = 'no_such_parent'), count(*) filter (indicator_code = ?) "
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute(f"{codes} from intermediate.int_indicators", [odd]).fetchone()
        assert found == (node_count + 2, 1, 1)
        in_order = connection.execute("select indicator_code from intermediate.int_indicators order by 1").fetchall()
    assert in_order == sorted(in_order), "numbers stand in the order of the text"
    frameworks.write_text(header + "\n", encoding="utf-8")
    observations.write_text(observations.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    code, said = dbt(client, settings, *tables)
    assert code == 0, said
    assert rows(database, "select count(*) from intermediate.int_indicators") == [(0,)]
