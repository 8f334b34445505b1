"""What a connection to DuckDB reaches: what it was opened with, and nothing else on the machine."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import duckdb
import pytest
from support import copy_project

from city_index.builds import dbt_arguments, dbt_environment
from city_index.database import connect, copy_to_parquet, file_pattern, identifier, open_database, quoted
from city_index.settings import PROJECT_DIRECTORY, Settings

# What SQL that somebody slipped in might try. {outside} is a folder that the connection was not given.
ESCAPES = {
    "read a file as CSV": "select * from read_csv('/etc/passwd')",
    "read a file as text": "select * from read_text('/etc/passwd')",
    "read a file as bytes": "select * from read_blob('{outside}/x.csv')",
    "read a file by its name alone": "select * from '{outside}/x.csv'",
    "sniff a file": "select * from sniff_csv('/etc/passwd')",
    "list files": "select * from glob('{outside}/*')",
    "read JSON": "select * from read_json('{outside}/x.json')",
    "read from a network": "select * from read_csv('http://127.0.0.1:9/x.csv')",
    "write CSV": "copy (select 1) to '{outside}/made.csv'",
    "write Parquet": "copy (select 1) to '{outside}/made.parquet' (format parquet)",
    "export everything": "export database '{outside}/exported'",
    "import": "import database '{outside}'",
    "attach another database": "attach '{outside}/other.duckdb' as other",
    "make a database": "attach '{outside}/made.duckdb' as made",
    "install an extension": "install httpfs",
    "load an extension": "load httpfs",
    "load a library": "load '{outside}/x.duckdb_extension'",
    "keep a secret": "create persistent secret hidden (type s3, key_id 'x')",
    "open up": "set enable_external_access = true",
    "allow the root": "set allowed_directories = ['/']",
    "unlock": "set lock_configuration = false",
    "install by itself": "set autoinstall_known_extensions = true",
    "log queries": "set log_query_path = '{outside}/log'",
    "read Python's variables": "select * from some_frame",
}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of files that no connection was given."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "x.csv").write_text("a\n1\n", encoding="utf-8")
    (folder / "x.json").write_text('{"a": 1}', encoding="utf-8")
    with duckdb.connect(str(folder / "other.duckdb")) as connection:
        connection.execute("create table secrets as select 1 as a")
    return folder


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database in a folder whose name SQL and patterns might trip over."""
    folder = tmp_path / "it's [a] folder; -- {{ x }}"
    folder.mkdir()
    path = folder / "city_index.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table numbers as select * from range(5) as numbers (number)")
    return path


def assert_confined(connection: duckdb.DuckDBPyConnection, outside: Path) -> None:
    """No escape gets through, and none leaves a file behind."""
    some_frame = connection.execute("select 1 as a").df()
    before = sorted(outside.rglob("*"))
    for name, sql in ESCAPES.items():
        with pytest.raises(duckdb.Error):
            connection.execute(sql.replace("{outside}", str(outside))).fetchall()
            pytest.fail(name)
    assert sorted(outside.rglob("*")) == before
    assert len(some_frame) == 1


def test_a_connection_in_memory_reaches_no_file(outside: Path) -> None:
    with connect() as connection:
        assert_confined(connection, outside)


# DuckDB 2.0 knows that the file is open before it asks whether it may be written.
_NO_COPY_OVER_AN_OPEN_DATABASE = (
    duckdb.PermissionException if duckdb.__version__.startswith("1.") else duckdb.BinderException
)


def test_a_connection_to_a_database_reads_that_one_alone(database: Path, outside: Path) -> None:
    with open_database(database) as connection:
        assert connection.execute("select count(*) from numbers").fetchall() == [(5,)]
        assert_confined(connection, outside)
        for sql in ("insert into numbers values (1)", "drop table numbers", "create table more as select 1"):
            with pytest.raises(duckdb.InvalidInputException, match="read-only"):
                connection.execute(sql)
        # Nor is the file itself there to be read or written in another way.
        with pytest.raises(duckdb.PermissionException):
            connection.execute(f"select * from read_blob({file_pattern(database)})")
        with pytest.raises(_NO_COPY_OVER_AN_OPEN_DATABASE):
            connection.execute(f"copy (select 1) to {quoted(database)}")


def test_attached_databases_are_read_only(database: Path, outside: Path) -> None:
    with connect(databases={"published": database}) as connection:
        assert connection.execute("select count(*) from published.numbers").fetchall() == [(5,)]
        assert_confined(connection, outside)
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            connection.execute("insert into published.numbers values (1)")


def test_a_connection_that_needs_files_reaches_those_alone(tmp_path: Path, outside: Path) -> None:
    inside, beside = tmp_path / "in [x] it's", tmp_path / "in [x] it's too"
    inside.mkdir(), beside.mkdir()
    (inside / "leading out").symlink_to(outside)
    (inside / "linked.csv").symlink_to(outside / "x.csv")
    (beside / "x.csv").write_text("a\n1\n", encoding="utf-8")
    with connect(paths=[inside, outside / "absent.parquet"]) as connection:
        assert copy_to_parquet(connection, "select 1 as a", inside / "a.parquet") == 1
        rows = connection.execute(f"select a from read_parquet({file_pattern(inside / 'a.parquet')})").fetchall()
        assert rows == [(1,)]
        assert_confined(connection, outside)
        for path in (
            beside / "x.csv",
            inside / ".." / beside.name / "x.csv",
            inside / "linked.csv",
            inside / "leading out" / "x.csv",
        ):
            with pytest.raises(duckdb.PermissionException):
                connection.execute(f"select * from read_csv({file_pattern(path)})")


def test_a_database_that_cannot_be_opened_leaves_no_connection(tmp_path: Path) -> None:
    with pytest.raises(duckdb.IOException):
        open_database(tmp_path / "absent.duckdb")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["it's", 'a "b"', "a;b", "--", "{{ x }}", "a\nb", "*", "$1", "%s", "\\", "名"])
def test_names_and_values_are_written_into_sql_as_they_are(name: str) -> None:
    with connect() as connection:
        connection.execute(f"create table {identifier(name)} as select {quoted(name)} as {identifier(name)}")
        result = connection.execute(f"select * from {identifier(name)}")
        assert result.description[0][0] == name
        assert result.fetchall() == [(name,)]


def test_only_one_module_opens_databases() -> None:
    found = []
    for folder in ("city_index", "orchestration"):
        for path in sorted((PROJECT_DIRECTORY / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            imported = {
                alias.asname or alias.name
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom) and node.module == "duckdb"
                for alias in node.names
            }
            for node in ast.walk(tree):
                if (
                    isinstance(node, ast.Attribute)
                    and isinstance(node.value, ast.Name)
                    and node.value.id == "duckdb"
                    and node.attr in ("connect", "sql", "query", "execute", "read_csv", "read_parquet", "from_df")
                ) or (isinstance(node, ast.Name) and node.id == "connect" and "connect" in imported):
                    found.append((path.relative_to(PROJECT_DIRECTORY).as_posix(), node.lineno))
    assert {name for name, _line in found} == {"city_index/database.py"}, found


@pytest.mark.slow
def test_models_of_a_build_reach_the_inputs_alone(tmp_path: Path) -> None:
    """dbt itself, with models that try to read and to write elsewhere."""
    project = copy_project(tmp_path / "project")
    outside = tmp_path / "outside"
    outside.mkdir()
    models = {
        "reads_elsewhere": "select * from read_text('/etc/passwd')",
        "lists_elsewhere": f"select * from glob('{outside}/*')",
        "opens_up": '{{ config(pre_hook="set enable_external_access = true") }} select 1 as a',
        "writes_elsewhere": f"{{{{ config(pre_hook=\"copy (select 1) to '{outside}/x.csv'\") }}}} select 1 as a",
        "reads_the_inputs": "select * from {{ ref('cities') }} limit 1",
    }
    for name, sql in models.items():
        (project / "models" / "staging" / f"{name}.sql").write_text(sql, encoding="utf-8")
    settings = Settings(project_directory=project, home=tmp_path / "home")
    (settings.warehouse / "build").mkdir(parents=True)
    run = subprocess.run(
        dbt_arguments(settings, ["build", "--select", "cities", *models, "--threads", "2"]),
        env={**dbt_environment(settings, tmp_path / "target"), "PYTHONPATH": str(project)},
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    said = run.stdout + run.stderr
    for name in models:
        line = next(line for line in said.splitlines() if f".{name}" in line and " of " in line and "START" not in line)
        assert ("ERROR" in line) == (name != "reads_the_inputs"), said
    assert "root:" not in said
    assert list(outside.iterdir()) == []
