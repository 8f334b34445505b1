"""The models on Spark, as far as it can be told without it: its macros, its raw rows, and how two builds are compared.

`make spark` builds the models there and holds every table against DuckDB's.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
import sqlglot
import yaml
from jinja2 import Environment, StrictUndefined
from support import python

from benchmarks.generated import GeneratedIndex
from city_index.database import connect, file_pattern, parquet_rows, quoted
from city_index.errors import CityIndexError, UsageError
from city_index.frames import frame_of, table_of
from city_index.landing.raw_store import RawStore
from city_index.settings import PROJECT_DIRECTORY, Settings
from spark.__main__ import land_files, parse_size
from spark.inputs import export_inputs
from spark.methods import CITIES, CORRECTIONS, LEAVES, REFUSED, YEARS
from spark.parity import Table, compare, parity_text, published_tables
from spark.sizing import Line, leaf_scores_of

MACROS = PROJECT_DIRECTORY / "macros"
VARIABLES = yaml.safe_load((PROJECT_DIRECTORY / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]


@pytest.fixture(scope="module")
def macros():
    """The macros that Spark takes of those that are dispatched."""
    files = ("text.sql", "dates.sql", "spark/parquet_rows.sql", "spark/schemas.sql")
    text = "\n".join((MACROS / name).read_text(encoding="utf-8") for name in files)
    text = re.sub(r"\{% materialization .*?\{% endmaterialization %\}", "", text, flags=re.DOTALL)
    given = {
        "var": VARIABLES.__getitem__,
        "env_var": lambda name, default: {"CITY_INDEX_SPARK_INPUTS": "/data/what`s in"}.get(name, default),
        "target": SimpleNamespace(schema="shared"),
    }
    return Environment(undefined=StrictUndefined, extensions=["jinja2.ext.do"]).from_string(text).make_module(given)


def spark(query: str) -> sqlglot.Expression:
    (parsed,) = sqlglot.parse(query, dialect="spark")
    return parsed


def test_dispatched_macros_are_sql_of_spark(macros) -> None:
    pairs = spark(macros.default__character_pairs("titles", ["number"], "title"))
    assert pairs.named_selects == ["number", "piece", "position", "pair"]
    joined = spark(f"select {macros.default__joined_text('word', ', ', 'place')} as words from hits group by hit")
    assert joined.find(sqlglot.exp.GroupConcat).find(sqlglot.exp.Ordered)
    days = spark(f"select {macros.default__days_between('earlier', 'later')} as days from spans").find(
        sqlglot.exp.DateDiff
    )
    assert (days.this.sql(), days.expression.sql()) == ("CAST(later AS DATE)", "CAST(earlier AS DATE)")
    assert spark(f"select {macros.default__days_from('first', 'last')} as day from spans").find(sqlglot.exp.Explode)


def test_every_dispatched_macro_has_a_form_for_spark() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in MACROS.rglob("*.sql"))
    dispatched = set(re.findall(r"adapter\.dispatch\('(\w+)'\)", text))
    assert len(dispatched) > 5
    assert {name for name in dispatched if not re.search(rf"macro (default|spark)__{name}\(", text)} == set()


def test_raw_rows_are_parquet_files_of_the_inputs(macros) -> None:
    rows = spark(macros.parquet_rows("seeds/cities.parquet", {"city_code": "string", "longitude": "double"}))
    assert rows.named_selects == ["city_code", "longitude"]
    assert "parquet.`/data/what``s in/seeds/cities.parquet`" in rows.sql(dialect="spark")


def test_schemas_on_spark_begin_with_that_of_the_target(macros) -> None:
    assert macros.spark__schema_of_layer("staging").strip() == "shared_staging"
    assert macros.spark__schema_of_layer(None).strip() == "shared"


def test_pins_of_spark_have_hashes_and_name_no_index() -> None:
    pins = (PROJECT_DIRECTORY / "spark" / "requirements.txt").read_text(encoding="utf-8")
    packages = re.findall(r"^[a-z0-9][^\n]*", pins, flags=re.MULTILINE)
    assert len(packages) > 40
    assert all(re.match(r"[a-z0-9._-]+(\[[a-z,-]+\])?==[^ ]+ .*\\$", package) for package in packages)
    assert "://" not in pins
    # The Python models make the same of the same rows on both engines, so they run on the same libraries.
    ours = (PROJECT_DIRECTORY / "requirements.lock").read_text(encoding="utf-8")
    for name in ("dbt-core", "numpy", "pandas", "scipy"):
        versions = [set(re.findall(rf"^{name}==(\S+)", text, flags=re.MULTILINE)) for text in (pins, ours)]
        assert versions[0] == versions[1], name


def test_profiles_of_spark_take_only_documented_variables() -> None:
    outputs = (PROJECT_DIRECTORY / "profiles.yml").read_text(encoding="utf-8").partition("\n    spark:")[2]
    macro = (MACROS / "spark" / "parquet_rows.sql").read_text(encoding="utf-8")
    used = set(re.findall(r"CITY_INDEX_SPARK_\w+", outputs + macro))
    page = (PROJECT_DIRECTORY / "docs" / "spark.md").read_text(encoding="utf-8")
    assert used == set(re.findall(r"^\| `(CITY_INDEX_SPARK_\w+)` ", page, flags=re.MULTILINE))


def test_python_models_take_rows_in_part_and_give_typed_ones() -> None:
    with duckdb.connect() as connection:
        table = connection.sql("select i as number, 'n' || i as name, i * 1.5::double as score from range(4) as t(i)")
        assert frame_of(table).shape == (4, 3)
        frame = frame_of(table, ["name", "number"], "score > 2")
        assert frame.to_dict("list") == {"name": ["n2", "n3"], "number": [2, 3]}
        table = connection.sql("select 'it''s [x] \\' as edition, 1 as number union all select 'y', 2")
        assert frame_of(table, ["number"], equal={"edition": "it's [x] \\"})["number"].tolist() == [1]
        assert frame_of(table, ["number"], "number > 1", {"edition": "it's [x] \\"}).empty
        given = table_of(frame.assign(left_out=1), {"number": "float64", "name": "str"}, connection)
    assert [str(given[name].dtype) for name in given] == ["float64", "str"]


TABLE = Table("fct_scores", ("city", "code"))
ROWS = [("a", "x", 71.25, 1, None), ("a", "y", None, None, "gap"), ("b", "x", 1e9, 2, "née")]


@pytest.fixture
def sides():
    """The same table twice; the second is there to be changed."""
    with connect() as connection:
        for side in ("first", "second"):
            connection.execute(f"create table {side} (city text, code text, score double, rank integer, note text)")
            connection.executemany(f"insert into {side} values (?, ?, ?, ?, ?)", ROWS)
        yield connection


@pytest.mark.parametrize(
    ("change", "only_in", "differences"),
    [
        ("select 1", (0, 0), {}),
        ("update second set score = score * (1 + 5e-10)", (0, 0), {}),
        ("update second set score = score * (1 + 2e-9)", (0, 0), {"score": 2}),
        ("update second set score = null where code = 'x' and city = 'a'", (0, 0), {"score": 1}),
        ("update second set score = 0 where score is null", (0, 0), {"score": 1}),
        ("update second set score = 'nan' where city = 'b'", (0, 0), {"score": 1}),
        ("update second set rank = 3, note = 'nee' where city = 'b'", (0, 0), {"rank": 1, "note": 1}),
        ("update second set note = '' where note is null", (0, 0), {"note": 1}),
        ("delete from second where code = 'y'", (1, 0), {}),
        ("update second set code = 'z' where code = 'y'", (1, 1), {}),
        ("alter table second drop note", (0, 0), {"note": 3}),
        ("alter table second add further integer", (0, 0), {"further": 3}),
    ],
)
def test_a_planted_difference_is_found(sides, change: str, only_in: tuple, differences: dict) -> None:
    sides.execute(change)
    found = compare(sides, TABLE, "first", "second")
    assert (found.only_in, found.differences) == (only_in, differences)
    assert found.is_equal == (not differences and only_in == (0, 0))
    assert found.row_counts[0] == 3
    text = parity_text([found], ("DuckDB", "Spark"))
    assert ("fct_scores differs" in text) == (not found.is_equal)


def test_another_type_is_a_difference_of_all_values(sides) -> None:
    sides.execute("alter table second alter rank type varchar")
    assert compare(sides, TABLE, "first", "second").differences == {"rank": 3}


def test_a_row_that_stands_twice_is_a_difference(sides) -> None:
    sides.execute("insert into second select * from second where city = 'b'")
    found = compare(sides, TABLE, "first", "second")
    assert not found.is_equal


def test_only_tables_with_a_key_are_compared(tmp_path: Path) -> None:
    def manifest(*constraints: dict) -> Path:
        node = {"name": "fct", "resource_type": "model", "config": {"contract": {"enforced": True}}}
        written = tmp_path / "manifest.json"
        written.write_text(json.dumps({"nodes": {"fct": node | {"constraints": constraints}}}), encoding="utf-8")
        return written

    assert published_tables(manifest({"type": "primary_key", "columns": ["a", "b"]})) == [Table("fct", ("a", "b"))]
    with pytest.raises(CityIndexError, match="without one primary key in their contract: fct"):
        published_tables(manifest({"type": "check", "expression": "a > 0"}))


def test_growth_is_the_line_through_what_was_measured() -> None:
    line = Line.through([1_000_000, 3_000_000], [60.0, 100.0])
    assert (line.fixed, line.per_million) == (pytest.approx(40), pytest.approx(20))
    assert line.at(10_000_000) == pytest.approx(240)
    with pytest.raises(CityIndexError, match="two sizes"):
        Line.through([5, 5], [1.0, 2.0])
    # The newest method is tried on the editions before the newest.
    assert leaf_scores_of(3_000, 60, 240) == 3_000 * 60 * (240 + 239)


def test_sizes_are_written_as_three_numbers() -> None:
    assert parse_size("40x60x2") == GeneratedIndex(cities=40, indicators=60, editions=2)
    for text in ("40", "40x60", "0x60x1", "40x60x-1", "40 x60x1", "４0x60x1"):
        with pytest.raises(UsageError):
            parse_size(text)


def test_the_index_of_every_method_lands_whole(tmp_path: Path) -> None:
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=tmp_path, landing_settle_seconds=0)
    land_files(settings)
    store = RawStore(settings)
    counts = {(record.kind, record.file_name): record.accepted_count for record in store.records()}
    assert counts["frameworks", "every_method.csv"] == len(YEARS) * (1 + 4 + 12 + LEAVES)
    assert counts["observations", "every_method.csv"] > 0.95 * len(YEARS) * LEAVES * CITIES
    with connect(paths=[settings.raw]) as connection:
        found = connection.execute(
            "select list(distinct normalisation), list(distinct aggregation), list(distinct missing_policy) from "
            f"{parquet_rows(store.files('frameworks'))} where index_code = 'every_method'"
        ).fetchone()
    normalisations, means, policies = ({value for value in values if value} for values in found)
    assert len(normalisations) == 11 and len(means) == 3 and len(policies) == 3
    assert counts["observations", "every_method_corrections.csv"] == CORRECTIONS
    (refused,) = {r.quarantined_count for r in store.records() if r.file_name == "every_method_corrections.csv"}
    assert refused == REFUSED


def test_raw_rows_of_a_build_are_copied_as_they_are(tmp_path: Path) -> None:
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=tmp_path / "it's [home]")
    database = tmp_path / "build.duckdb"
    (settings.raw / "cities").mkdir(parents=True)
    with duckdb.connect(str(database)) as connection:
        landed = settings.raw / "cities" / "one.parquet"
        connection.execute(f"copy (select 'a' as city_code, 1.5 as longitude) to {quoted(landed)}")
        connection.execute("create schema raw")
        connection.execute("create schema landed")
        connection.execute("create table raw.tiers as select 'x' as tier_code, null::double as lowest from range(3)")
        connection.execute(f"create view landed.cities as select * from read_parquet({file_pattern(landed)})")
        connection.execute("create table main.fct_scores as select 1 as score")
    folder = tmp_path / "inputs"
    assert export_inputs(settings, database, folder) == {"seeds/tiers.parquet": 3, "landed/cities.parquet": 1}
    with duckdb.connect() as connection:
        (row,) = connection.execute(f"from read_parquet({file_pattern(folder / 'landed/cities.parquet')})").fetchall()
    assert row == ("a", 1.5)


def test_python_models_import_nothing_that_sparks_environment_lacks() -> None:
    """It has neither DuckDB nor what the rest of the package needs beside that."""
    modules = sorted(
        name
        for path in (PROJECT_DIRECTORY / "models").rglob("*.py")
        for name in re.findall(r"^from (city_index[\w.]*) import", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    assert "city_index.earlier" in modules
    wanted = (PROJECT_DIRECTORY / "spark" / "requirements.in").read_text(encoding="utf-8")
    assert "duckdb" not in wanted
    lacking = ["duckdb", "click", "dagster", "great_expectations"]
    code = f"import sys; sys.modules.update(dict.fromkeys({lacking}))\n" + "".join(
        f"import {name}\n" for name in modules
    )
    imported = python("-c", code)
    assert imported.returncode == 0, imported.stderr
