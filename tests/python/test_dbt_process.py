"""dbt as a helper that is started before it is told what to do, and the tables that it makes."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from support import copy_project, dbt, rows

from city_index.builds import dbt_environment, primary_keys
from city_index.dbt_client import DbtClient
from city_index.settings import PROJECT_DIRECTORY, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=tmp_path / "home")
    (settings.warehouse / "build").mkdir(parents=True)
    return settings


def test_dbt_that_waited_runs_the_command_with_its_environment_alone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DbtClient(settings) as client:
        client.start()
        first = client._process
        client.start()
        assert client._process is first, "one is enough"
        # Not in the environment that it started with.
        monkeypatch.setenv("DBT_TARGET", "nowhere")
        code, said = dbt(client, settings, "debug", "--config-dir")
        assert code == 0 and str(settings.project_directory) in said
        environment = {**dbt_environment(settings, settings.warehouse / "target"), "DBT_PROFILES_DIR": "/nowhere"}
        process = client.run(["parse"], environment)
        assert b"/nowhere" in process.stdout.read() and process.wait(timeout=120) != 0


def test_another_dbt_takes_the_place_of_one_that_was_killed(settings: Settings) -> None:
    with DbtClient(settings) as client:
        client.start()
        killed = client._process
        killed.kill()
        killed.wait()
        code, said = dbt(client, settings, "debug", "--config-dir")
        assert code == 0 and str(settings.project_directory) in said
        assert killed.stdout.closed


def test_dbt_that_nobody_needed_ends_with_its_client(settings: Settings) -> None:
    with DbtClient(settings) as client:
        client.start()
        process = client._process
    assert process.poll() is not None and process.stdin.closed and process.stdout.closed
    with DbtClient(settings) as client:
        client.start()
        output = client._process.communicate(timeout=120)
        assert client._process.returncode == 0 and output == (b"", None), "its input ended, and it did nothing"


def test_dbt_that_never_starts_is_an_error(settings: Settings, tmp_path: Path) -> None:
    broken = replace(settings, project_directory=tmp_path / "gone")
    with DbtClient(broken) as client, pytest.raises(FileNotFoundError):
        client.run(["debug", "--config-dir"], dict(os.environ))


@pytest.mark.slow
def test_tables_are_made_in_a_new_file_and_made_anew_in_one_that_stands(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    model = project / "models" / "staging" / "numbers_made.sql"
    settings = Settings(project_directory=project, home=tmp_path / "home")
    (settings.warehouse / "build").mkdir(parents=True)
    database = settings.warehouse / "build" / "build.duckdb"
    relations = "select table_name, table_type from information_schema.tables where table_name like 'numbers_made%'"

    def build(sql: str) -> subprocess.CompletedProcess[str]:
        model.write_text(f"{{{{ config(materialized='table', schema=none) }}}} {sql}", encoding="utf-8")
        client = DbtClient(settings)
        code, said = dbt(client, settings, "build", "--select", "numbers_made")
        return subprocess.CompletedProcess([], code, said)

    assert build("select 1 as number").returncode == 0
    for sql, code, found in (
        ("select 2 as number", 0, [(2,)]),
        ("select cast('two' as integer) as number", 1, [(2,)]),  # the table before stays
        ("select 3 as number", 0, [(3,)]),
    ):
        built = build(sql)
        assert built.returncode == code, built.stdout
        assert rows(database, relations) == [("numbers_made", "BASE TABLE")]
        (schema,) = rows(database, "select table_schema from information_schema.tables where table_name='numbers_made'")
        assert rows(database, f"select * from {schema[0]}.numbers_made") == found
    database.unlink()
    assert build("select cast('two' as integer) as number").returncode == 1
    assert rows(database, relations) == [], "nor is half a table left in a new file"
    model.unlink()
    in_python = model.with_suffix(".py")
    for number in (4, 5):
        in_python.write_text(
            "import pandas\n\n\ndef model(dbt, session):\n"
            "    dbt.config(materialized='table', schema=None)\n"
            f"    return pandas.DataFrame({{'number': [{number}]}})\n",
            encoding="utf-8",
        )
        code, said = dbt(DbtClient(settings), settings, "build", "--select", "numbers_made")
        assert code == 0, said
        assert rows(database, f"select * from {schema[0]}.numbers_made") == [(number,)]


@pytest.mark.slow
def test_a_key_that_stands_twice_fails_the_model_and_says_which(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    model, described = (project / "models" / "marts" / f"fct_made.{ending}" for ending in ("sql", "yml"))
    settings = Settings(project_directory=project, home=tmp_path / "home")
    (settings.warehouse / "build").mkdir(parents=True)
    columns = "".join(
        f"      - {{name: {name}, data_type: {data_type}, constraints: [{{type: not_null}}]}}\n"
        for name, data_type in (("place", "string"), ("year", "int"))
    )
    described.write_text(
        "models:\n  - name: fct_made\n    constraints: [{type: primary_key, columns: [place, year]}]\n"
        f"    columns:\n{columns}",
        encoding="utf-8",
    )

    def build(*places: tuple[str, int]) -> tuple[int, str]:
        model.write_text(
            " union all ".join(f"select '{place}' as place, {year} as year" for place, year in places), encoding="utf-8"
        )
        return dbt(DbtClient(settings), settings, "build", "--select", "fct_made")

    code, said = build(("a", 1), ("b", 2), ("c", 3), ("b", 2))
    assert code == 1, said
    assert "fct_made has more than one row of place, year: b, 2" in said
    made = "select count(*) from duckdb_tables() where table_name like 'fct_made%'"
    assert rows(settings.warehouse / "build" / "build.duckdb", made) == [(0,)]
    for _again in range(2):  # in a new file, and over the table that stands
        code, said = build(("a", 1), ("a", 2), ("b", 1))
        assert code == 0, said
    code, said = build(("a", 1), ("a", 1))
    assert code == 1 and "fct_made has more than one row of place, year: a, 1" in said
    assert primary_keys(settings.warehouse / "target" / "manifest.json")["fct_made"] == ["place", "year"]


def test_every_contract_is_of_a_table_in_sql_with_one_key_that_is_never_missing() -> None:
    described = {
        model["name"]: model
        for path in sorted((PROJECT_DIRECTORY / "models").rglob("*.yml"))
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
    }
    folders = [PROJECT_DIRECTORY / "models" / name for name in ("marts", "reports")]
    contracts = [path for folder in folders for path in sorted(folder.iterdir()) if path.suffix != ".yml"]
    assert contracts
    for path in contracts:
        model = described[path.stem]
        assert path.suffix == ".sql" and "materialized" not in path.read_text(encoding="utf-8"), path.name
        (constraint,) = model["constraints"]
        assert constraint["type"] == "primary_key", path.name
        constraints = {column["name"]: column.get("constraints", []) for column in model["columns"]}
        for name in constraint["columns"]:
            assert {"type": "not_null"} in constraints[name], f"{path.stem}.{name}"
        assert {each["type"] for found in constraints.values() for each in found} <= {"not_null"}, path.name
