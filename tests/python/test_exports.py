"""The exports of a release say what its tables say: the workbook, the data package, the citation and the rights."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import time
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import duckdb
import openpyxl
import pytest
import yaml
from editions_home import EditionsHome
from openpyxl.utils.escape import unescape
from support import Published, rows

from city_index.checks import Check
from city_index.checksums import file_sha256
from city_index.database import identifier
from city_index.errors import CityIndexError
from city_index.releases import assemble
from city_index.releases.assemble import DATABASE_NAME, STORAGE_VERSION, add_release_tables, assemble_tables
from city_index.releases.exporter import Exporter
from city_index.releases.exports import (
    CITATION_NAME,
    DATA_PACKAGE_NAME,
    EXPORT_NAMES,
    LICENCE_NAME,
    WORKBOOK_NAME,
    write_exports,
)
from city_index.releases.manifest import Manifest, read_manifest
from city_index.releases.workbook import TEXT_UNITS, fitted, sheet_names
from city_index.settings import PROJECT_DIRECTORY, Settings

ALL_ROWS = 1_000_000
SOME_ROWS = 1_000

EDITIONS = """
create table dim_editions (
    index_code varchar, edition varchar, edition_ordinal integer, title_zh varchar, title_en varchar,
    publisher_zh varchar, publisher_en varchar, source_document varchar, reconstructed_share double,
    assumed_weight_share double, is_synthetic boolean, note varchar, primary key (index_code, edition)
);
create table rpt_city_index (
    index_code varchar, edition varchar, city_code varchar, notice_zh varchar, notice_en varchar,
    primary key (index_code, edition, city_code)
);
"""
REAL = """
insert into dim_editions values
    ('wellbeing', '2024', 1, null, 'Wellbeing | of cities', null, 'A *Statistics* Office', 'w.pdf', 0, 0, false, null);
insert into rpt_city_index values ('wellbeing', '2024', 'a', null, null);
"""
RECONSTRUCTED = """
insert into dim_editions values ('old', '1', 1, '旧', null, '出版者', null, null, 0.5, 0.1, false, null);
insert into rpt_city_index values ('old', '1', 'a', '重建', 'Partly reconstructed observations. Assumed weights.');
"""


def a_release(folder: Path, script: str) -> tuple[Path, Manifest]:
    """A small release of tables made by hand, assembled as any other."""
    build = folder / "build.duckdb"
    with duckdb.connect(str(build)) as connection:
        connection.execute(script)
        for (table,) in connection.execute("select table_name from duckdb_tables()").fetchall():
            connection.execute(f"comment on table {identifier(table)} is 'One row per thing.'")
        for table, column in connection.execute(
            "select table_name, column_name from duckdb_columns() where not internal"
        ).fetchall():
            connection.execute(f"comment on column {identifier(table)}.{identifier(column)} is '=what it is'")
        keys = dict(
            connection.execute(
                "select table_name, constraint_column_names from duckdb_constraints() "
                "where constraint_type = 'PRIMARY KEY'"
            ).fetchall()
        )
    release = folder / "release"
    release.mkdir()
    content_hash, counted = assemble_tables(build, release, 1 << 30, keys)
    manifest = Manifest(
        release_id="20261124T010203Z-00000000",
        sequence=1,
        built_at_utc="2026-11-24T01:02:03Z",
        code_version="0",
        input_hash="0",
        content_hash=content_hash,
        duckdb_version=duckdb.__version__,
        storage_version=STORAGE_VERSION,
        notice="",
        checks={},
        tables=counted,
    )
    checks = [Check("claim", "dbt_test", "table", "passed", "critical", "0", "0", "")]
    manifest.tables.update(add_release_tables(release, manifest, checks))
    return release, manifest


@pytest.fixture(scope="session")
def exported(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published release with all its tables exported."""
    folder = tmp_path_factory.mktemp("exported") / "release"
    shutil.copytree(published.settings.published, folder)
    write_exports(folder, read_manifest(folder), ALL_ROWS)
    return folder


@pytest.fixture(scope="session")
def shortened(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the smaller tables only: reading a whole workbook with its looks takes long."""
    folder = tmp_path_factory.mktemp("shortened") / "release"
    shutil.copytree(published.settings.published, folder)
    write_exports(folder, read_manifest(folder), SOME_ROWS)
    return folder


def sheets(folder: Path, read_only: bool = True) -> openpyxl.Workbook:
    return openpyxl.load_workbook(folder / WORKBOOK_NAME, read_only=read_only)


def cells(workbook: openpyxl.Workbook, sheet: str) -> list[tuple]:
    """The rows of a sheet; text as Excel shows it, which knows the format's escapes of control characters."""
    return [
        tuple(unescape(cell) if isinstance(cell, str) else cell for cell in row)
        for row in workbook[sheet].iter_rows(values_only=True)
    ]


def as_cell(value: object) -> object:
    """What a cell gives back of a value of a table that it holds exactly."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value


def expected_rows(folder: Path, table: str, key: list[str]) -> list[tuple]:
    found = rows(folder / DATABASE_NAME, f"select * from {table} order by {', '.join(key)}")
    return [tuple(map(as_cell, row)) for row in found]


def keys(folder: Path) -> dict[str, list[str]]:
    return dict(
        rows(
            folder / DATABASE_NAME,
            "select table_name, constraint_column_names from duckdb_constraints() "
            "where constraint_type = 'PRIMARY KEY' order by 1",
        )
    )


def same(left: object, right: object) -> bool:
    """Whether they are equal, and a truth value or text is not taken for a number."""
    return left == right and (isinstance(left, float) or type(left) is type(right))


def test_every_sheet_holds_its_table_to_the_last_digit(exported: Path) -> None:
    workbook = sheets(exported)
    tables = keys(exported)
    assert set(workbook.sheetnames) == {"about", "codebook", *tables}
    assert workbook.sheetnames[:4] == ["about", "codebook", "rpt_city_index", "fct_city_scores"]
    for table, key in tables.items():
        columns = rows(
            exported / DATABASE_NAME,
            f"select column_name from duckdb_columns() where table_name = '{table}' order by column_index",
        )
        header, *found = cells(workbook, table)
        assert header == tuple(name for (name,) in columns), table
        wanted = expected_rows(exported, table, key)
        assert len(found) == len(wanted), table
        for place, (row, wanted_row) in enumerate(zip(found, wanted, strict=True)):
            for name, cell, value in zip(header, row, wanted_row, strict=True):
                assert same(cell, value), (table, place, name, cell, value)


def test_the_codebook_says_what_the_comments_say(exported: Path) -> None:
    found = cells(sheets(exported), "codebook")
    wanted = rows(
        exported / DATABASE_NAME,
        "select table_name, column_name, data_type, list_contains(key.constraint_column_names, column_name), "
        "is_nullable, columns.comment from duckdb_columns() as columns join ("
        "select * from duckdb_constraints() where constraint_type = 'PRIMARY KEY') as key using (table_name)",
    )
    assert found[0] == ("table", "column", "type", "is_key", "is_nullable", "description")
    assert sorted(found[1:]) == sorted(wanted)


def test_the_sheet_about_names_every_sheet_and_what_must_be_said(shortened: Path) -> None:
    workbook = sheets(shortened, read_only=False)
    about = list(workbook["about"].iter_rows(values_only=True))
    said = {row[1] for row in about if row[0] == "notice"}
    notices = rows(shortened / DATABASE_NAME, "select distinct notice_zh || ' ' || notice_en from rpt_city_index")
    assert said == {notice for (notice,) in notices}
    assert [row[1] for row in about if row[0] == "release"] == [read_manifest(shortened).release_id]
    publishers = rows(shortened / DATABASE_NAME, "select publisher_zh from dim_editions where publisher_zh is not null")
    assert publishers
    for (publisher,) in publishers:
        assert any(row[0] == "assessment published by" and publisher in row[1] for row in about)
    counted = {row[0]: row[2] for row in about}
    assert {table: counted[table] for table in keys(shortened)} == read_manifest(shortened).tables
    links = {cell.value: cell.hyperlink.location for (cell, *_) in workbook["about"].iter_rows() if cell.hyperlink}
    short = [table for table, row_count in read_manifest(shortened).tables.items() if row_count <= SOME_ROWS]
    assert links == {table: f"'{table}'!A1" for table in short}
    assert set(workbook.sheetnames) == {"about", "codebook", *short}


def test_sheets_of_reconstructed_and_synthetic_rows_say_so_on_tab_and_paper(shortened: Path) -> None:
    workbook = sheets(shortened, read_only=False)
    for table in ("rpt_city_index", "fct_city_scores", "fct_tier_scores", "fct_weight_sets", "dim_indicators"):
        header = workbook[table].oddHeader.right.text
        assert "reconstructed observations" in header and "重建" in header, table
        assert "assumed" in header and "synthetic" in header, table
        assert workbook[table].sheet_properties.tabColor is not None, table
    assert "synthetic" in workbook["dim_hospitals"].oddHeader.right.text
    assert "reconstructed" not in workbook["dim_hospitals"].oddHeader.right.text
    assert workbook["dim_cities"].sheet_properties.tabColor is None
    for sheet in workbook:
        if sheet.title != "about":
            assert sheet.freeze_panes == "A2" and sheet.auto_filter.ref.startswith("A1:"), sheet.title


HOSTILE_TEXTS = (
    "=1+1", "+1", "-1", "@SUM(A1)", "＝1+1", "\t=1", " =1", "'=1", "''", "007", "1e5", "1E5", "3.0", "TRUE", "#N/A",
    "nan", "2020-01-01", "12:30", "1/2", "$5", "50%", "https://example.org/a?b=c&d=e", "mailto:a@example.org",
    "internal:'x'!A1", "external:c.xlsx", "ftp://example.org", "{=1}", "<b>x</b>", "<r>rich</r>", "<r><t>x</t></r>",
    "</t></is></c>", "]]>", "&amp;", "_x0041_", "_x005F", "a\x00b", "\x01\x02\x1f", "\ufffe\uffff",
    "\x7f\x85\u2028", "a\r\nb\rc\nd", "  spaces  ", "\n", "中文，全角", "😀\u200d😀", "e\u0301", "\u202egnp.exe",
    "x" * TEXT_UNITS, "😀" * (TEXT_UNITS // 2), '"quoted"',
)  # fmt: skip
HOSTILE = (
    EDITIONS
    + """
    create table fct_hostile (
        number integer primary key, double_value double, whole bigint, huge hugeint, small utinyint,
        share decimal(38, 20), real_value float, day date, moment timestamp, is_so boolean, list integer[],
        clock time, bytes blob
    );
    insert into fct_hostile values
    (1, 0.1 + 0.2::double, 9007199254740992, 9007199254740993, 255, 0.1, 0.1, '1900-03-01', '1900-03-01 00:00:00',
        true, [1, 2], '12:30:00', '\\x00\\xff'),
    (2, 1.7976931348623157e308, 9007199254740993, -170141183460469231731687303715884105728, 0,
        0.12345678901234567891, 1e38, '1900-02-28', '1900-02-28 23:59:59', false, [], null, null);
    insert into fct_hostile (number, double_value, whole, huge, real_value, day, moment) values
    (3, 2.2250738585072014e-308, -9007199254740993, 0, null, '9999-12-31', '9999-12-31 23:59:59.999'),
    (4, 5e-324, -9007199254740992, null, null, '12000-01-01', '2026-11-24 01:02:03.123'),
    (5, 'nan', 9223372036854775807, null, 'inf', '0044-03-15 (BC)', '2026-11-24 01:02:03.123456'),
    (6, '-inf', null, null, '-inf', 'infinity', 'infinity'),
    (7, '-0.0', null, null, null, '0001-01-01', '-infinity'),
    (8, 1e22, 123456789012345678, null, 16777216, '2026-11-24', '12000-01-01 00:00:00'),
    (9, 0.1, 1, 1, 1, '2020-02-29', '2020-02-29 12:00:00.5');
    """
)


def test_hostile_values_stay_what_they_are(tmp_path: Path) -> None:
    folder, manifest = a_release(
        tmp_path,
        HOSTILE
        + "create table fct_texts (number integer primary key, text varchar);"
        # A zero byte cannot stand in SQL text, so all of them travel as hex.
        + "".join(
            f"insert into fct_texts values ({number}, decode(unhex('{text.encode().hex()}')));"
            for number, text in enumerate(HOSTILE_TEXTS)
        ),
    )
    write_exports(folder, manifest, ALL_ROWS)
    workbook = openpyxl.load_workbook(folder / WORKBOOK_NAME)
    for (number, text), row in zip(enumerate(HOSTILE_TEXTS), workbook["fct_texts"].iter_rows(min_row=2), strict=True):
        assert row[0].value == number
        assert row[1].data_type in ("s", "inlineStr"), text[:50]
        assert row[1].hyperlink is None, text[:50]
        assert unescape(row[1].value) == text, text[:50]
    assert re.findall(r"<f>|<hyperlink", "".join(sheet_xml(folder, "fct_texts"))) == []

    found = cells(workbook, "fct_hostile")[1:]
    header = cells(workbook, "fct_hostile")[0]
    column = {name: [row[number] for row in found] for number, name in enumerate(header)}
    assert [repr(value) for value in column["double_value"]] == [
        "0.30000000000000004", "1.7976931348623157e+308", "2.2250738585072014e-308", "'5e-324'", "'nan'", "'-inf'",
        "-0.0", "1e+22", "0.1",
    ]  # fmt: skip
    assert column["whole"] == [
        9007199254740992, "9007199254740993", "-9007199254740993", -9007199254740992, "9223372036854775807", None, None,
        "123456789012345678", 1,
    ]  # fmt: skip
    assert column["huge"][:4] == ["9007199254740993", str(-(2**127)), 0, None]
    assert column["small"][:2] == [255, 0]
    assert column["share"][:2] == [0.1, "0.12345678901234567891"]
    assert column["real_value"][0] == 0.10000000149011612 and column["real_value"][4:6] == ["inf", "-inf"]
    assert column["day"] == [
        datetime(1900, 3, 1), "1900-02-28", datetime(9999, 12, 31), "12000-01-01", "0044-03-15 (BC)", "infinity",
        "0001-01-01", datetime(2026, 11, 24), datetime(2020, 2, 29),
    ]  # fmt: skip
    assert column["moment"] == [
        datetime(1900, 3, 1), "1900-02-28 23:59:59", datetime(9999, 12, 31, 23, 59, 59, 999000),
        datetime(2026, 11, 24, 1, 2, 3, 123000), "2026-11-24 01:02:03.123456", "infinity", "-infinity",
        "12000-01-01 00:00:00", datetime(2020, 2, 29, 12, 0, 0, 500000),
    ]  # fmt: skip
    assert column["is_so"][:3] == [True, False, None]
    assert column["list"][:3] == ["[1, 2]", "[]", None]
    assert column["clock"][0] == "12:30:00" and column["bytes"][0] == "\\x00\\xFF"


def sheet_xml(folder: Path, table: str) -> list[str]:
    """The XML of a table's sheet and of what belongs to it."""
    with zipfile.ZipFile(folder / WORKBOOK_NAME) as archive:
        workbook = archive.read("xl/workbook.xml").decode()
        (number,) = re.findall(rf'<sheet name="{table}" sheetId="(\d+)"', workbook)
        return [archive.read(name).decode() for name in archive.namelist() if f"sheet{number}.xml" in name]


def test_random_numbers_and_times_come_back_as_they_were(tmp_path: Path) -> None:
    """Doubles of all magnitudes, most of which need seventeen digits, and times to the millisecond."""
    folder, manifest = a_release(
        tmp_path,
        EDITIONS
        + """
        create table fct_random as
        select
            range::integer as number,
            (hash(range) / 1e10 - 9e8) * power(10.0, range % 500 - 250) as double_value,
            epoch_ms((hash(range + 1) % 255611376000000)::bigint - 2203977600000) as moment
        from range(20000);
        alter table fct_random add primary key (number);
        """,
    )
    write_exports(folder, manifest, ALL_ROWS)
    found = cells(sheets(folder), "fct_random")[1:]
    wanted = rows(folder / DATABASE_NAME, "select * from fct_random order by number")
    assert sum(float(f"{row[1]:.16g}") != row[1] for row in wanted) > 1000
    assert [row for row, other in zip(found, wanted, strict=True) if row != other] == []


def test_a_text_that_is_too_long_is_cut_where_all_can_see(tmp_path: Path) -> None:
    for text in ("x" * (TEXT_UNITS + 1), "中" * 100_000, "x" + "😀" * TEXT_UNITS, "😀" * TEXT_UNITS):
        cut = fitted(text)
        assert len(cut.encode("utf-16-le")) // 2 in (TEXT_UNITS, TEXT_UNITS - 1)
        kept, mark = cut.split("…")
        assert text.startswith(kept) and f"all {len(text)} characters" in mark
    assert fitted("x" * TEXT_UNITS) == "x" * TEXT_UNITS
    folder, manifest = a_release(
        tmp_path,
        EDITIONS + "create table fct_long (number integer primary key, text varchar);"
        "insert into fct_long values (1, repeat('y', 40000)), (2, '=' || repeat('😀', 40000));",
    )
    write_exports(folder, manifest, ALL_ROWS)
    found = cells(sheets(folder), "fct_long")
    assert [row[1] for row in found[1:]] == [fitted("y" * 40_000), fitted("=" + "😀" * 40_000)]


def test_a_table_with_too_many_rows_is_left_out_and_named(tmp_path: Path) -> None:
    folder, manifest = a_release(
        tmp_path,
        EDITIONS + "create table fct_four (number integer primary key); insert into fct_four from range(4);"
        "create table fct_five (number integer primary key); insert into fct_five from range(5);",
    )
    write_exports(folder, manifest, 4)
    workbook = sheets(folder)
    assert "fct_four" in workbook.sheetnames and "fct_five" not in workbook.sheetnames
    (line,) = [row for row in cells(workbook, "about") if row[0] == "fct_five"]
    assert line[1].endswith("[left out: more than 4 rows; see csv/fct_five.csv or parquet/fct_five.parquet]")
    assert line[2] == 5
    assert "fct_five" in {row[0] for row in cells(workbook, "codebook")}


def test_more_urls_than_a_sheet_may_link_are_all_there(tmp_path: Path) -> None:
    folder, manifest = a_release(
        tmp_path,
        EDITIONS + "create table fct_urls as select range::integer as number, 'https://example.org/' || range as url"
        " from range(70000); alter table fct_urls add primary key (number);",
    )
    write_exports(folder, manifest, ALL_ROWS)
    found = cells(sheets(folder), "fct_urls")
    assert found[1:] == [(number, f"https://example.org/{number}") for number in range(70_000)]


def test_names_of_sheets_are_short_and_differ() -> None:
    tables = ["about", "Codebook", "history", "a" * 31, "A" * 32, "a" * 40, "b[c]:*?/\\'", "rpt_city_index", "中" * 40]
    names = sheet_names(tables)
    assert list(names) == tables
    assert len({name.lower() for name in names.values()} | {"about", "codebook", "history"}) == len(tables) + 3
    assert all(1 <= len(name) <= 31 and not re.search(r"[\[\]:*?/\\']", name) for name in names.values())
    assert names["rpt_city_index"] == "rpt_city_index" and names["a" * 31] == "a" * 31


def test_the_same_release_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, manifest = a_release(tmp_path, HOSTILE + REAL)
    write_exports(folder, manifest, ALL_ROWS)
    first = {name: (folder / name).read_bytes() for name in EXPORT_NAMES}
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    try:
        monkeypatch.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        write_exports(moved, manifest, ALL_ROWS)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert {name: (moved / name).read_bytes() for name in EXPORT_NAMES} == first
    with zipfile.ZipFile(folder / WORKBOOK_NAME) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 31, 0, 0, 0)}
        assert "2026-11-24T01:02:03Z" in archive.read("docProps/core.xml").decode()
    assert sorted(path.name for path in folder.iterdir()) == sorted(["csv", "parquet", DATABASE_NAME, *EXPORT_NAMES])


def package_of(folder: Path) -> dict:
    return json.loads((folder / DATA_PACKAGE_NAME).read_text(encoding="utf-8"))


def csv_rows(folder: Path, resource: dict) -> list[dict[str, str]]:
    with (folder / resource["path"]).open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_data_package_describes_every_file_as_it_is(exported: Path) -> None:
    package = package_of(exported)
    manifest = read_manifest(exported)
    assert package["version"] == manifest.release_id and package["notice"] == manifest.notice
    assert {resource["name"] for resource in package["resources"]} == set(manifest.tables)
    for resource in package["resources"]:
        for described in (resource, resource["parquet"]):
            path = exported / described["path"]
            assert described["hash"] == f"sha256:{file_sha256(path)}", path
            assert described["bytes"] == path.stat().st_size, path


FIELD_TYPES = {
    "VARCHAR": "string", "INTEGER": "integer", "BIGINT": "integer", "DOUBLE": "number", "BOOLEAN": "boolean",
    "DATE": "date", "TIMESTAMP": "datetime",
}  # fmt: skip


def test_the_schemas_of_the_data_package_are_those_of_the_tables(exported: Path) -> None:
    tables = keys(exported)
    for resource in package_of(exported)["resources"]:
        table, schema = resource["name"], resource["schema"]
        columns = rows(
            exported / DATABASE_NAME,
            "select column_name, data_type, is_nullable, comment from duckdb_columns() "
            f"where table_name = '{table}' order by column_index",
        )
        assert [(field["name"], field["type"], field["description"]) for field in schema["fields"]] == [
            (name, FIELD_TYPES[data_type], comment) for name, data_type, _nullable, comment in columns
        ]
        assert schema["primaryKey"] == tables[table]
        found = csv_rows(exported, resource)
        required = {field["name"] for field in schema["fields"] if field.get("constraints", {}).get("required")}
        empty = {name for row in found for name, value in row.items() if value == ""}
        assert not required & empty, table
        assert {name for name, _type, is_nullable, _comment in columns if not is_nullable} - required <= empty, table
        assert len({tuple(row[name] for name in tables[table]) for row in found}) == len(found), table


def foreign_keys_that_hold(folder: Path) -> set[tuple[str, ...]]:
    """The foreign keys of a data package: table, columns, dimension; every one is held against the CSV files."""
    resources = {resource["name"]: resource for resource in package_of(folder)["resources"]}
    loaded = {name: csv_rows(folder, resource) for name, resource in resources.items()}
    stated = set()
    for name, resource in resources.items():
        for key in resource["schema"].get("foreignKeys", []):
            target, parts = key["reference"]["resource"], key["reference"]["fields"]
            assert resources[target]["schema"]["primaryKey"] == parts
            there = {tuple(row[part] for part in parts) for row in loaded[target]}
            pointing = {tuple(row[field] for field in key["fields"]) for row in loaded[name]}
            assert {fields for fields in pointing if any(fields)} <= there, (name, key)
            stated.add((name, *key["fields"], target))
    return stated


def test_every_foreign_key_of_the_data_package_holds(exported: Path) -> None:
    stated = foreign_keys_that_hold(exported)
    assert {
        ("fct_city_scores", "city_code", "dim_cities"),
        ("fct_city_scores", "index_code", "edition", "dim_editions"),
        ("fct_indicator_scores", "index_code", "edition", "indicator_code", "dim_indicators"),
        ("fct_pair_robustness", "upper_city_code", "dim_cities"),
        ("fct_hospital_grades", "hospital_code", "dim_hospitals"),
        ("rpt_score_trace", "index_code", "edition", "primary_code", "dim_indicators"),
        ("dim_cities", "cluster_code", "dim_clusters"),
        ("dim_indicators", "index_code", "edition", "dim_editions"),
    } <= stated


def test_the_data_package_claims_nothing_that_does_not_hold(tmp_path: Path) -> None:
    """A key that leads nowhere, text that is empty and not missing, days that no date of the standard can be."""
    folder, manifest = a_release(
        tmp_path,
        EDITIONS
        + """
        create table dim_cities (city_code varchar primary key);
        insert into dim_cities values ('a'), ('b');
        create table fct_astray (number integer primary key, city_code varchar, next_city_code varchar,
            name varchar not null, title varchar not null, day date);
        insert into fct_astray values (1, 'c', 'a', '', 'x', '12000-01-01'), (2, 'a', null, 'x', 'x', '2020-01-01');
        """,
    )
    write_exports(folder, manifest, ALL_ROWS)
    (schema,) = [each["schema"] for each in package_of(folder)["resources"] if each["name"] == "fct_astray"]
    assert schema["foreignKeys"] == [
        {"fields": ["next_city_code"], "reference": {"resource": "dim_cities", "fields": ["city_code"]}}
    ]
    fields = {field["name"]: field for field in schema["fields"]}
    assert "constraints" not in fields["name"] and fields["title"]["constraints"] == {"required": True}
    assert fields["day"]["type"] == "string"


def test_citation_names_release_publisher_and_what_the_data_are(exported: Path) -> None:
    citation = yaml.safe_load((exported / CITATION_NAME).read_text(encoding="utf-8"))
    manifest = read_manifest(exported)
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "dataset"
    assert citation["version"] == manifest.release_id
    assert citation["date-released"] == manifest.built_at_utc[:10]
    assert citation["title"] and citation["message"] and all(set(author) == {"name"} for author in citation["authors"])
    (reference,) = citation["references"]
    assert "浙江大学管理学院" in reference["authors"][0]["name"] and "H3C" in reference["authors"][0]["name"]
    assert "Reconstructed observations" in citation["abstract"] and "synthetic" in citation["abstract"]


def test_notes_on_rights_say_what_this_release_holds(exported: Path) -> None:
    notes = (exported / LICENCE_NAME).read_text(encoding="utf-8")
    for said in (
        "has chosen no licence",
        "grants no rights",
        "Reconstructed observations",
        "Synthetic",
        "浙江大学管理学院",
    ):
        assert said in notes
    assert not [path for path in PROJECT_DIRECTORY.iterdir() if re.match(r"(?i)licen[cs]e|copying", path.name)]


def test_an_index_of_real_observations_is_not_called_reconstructed_or_synthetic(tmp_path: Path) -> None:
    folder, manifest = a_release(tmp_path, EDITIONS + REAL)
    write_exports(folder, manifest, ALL_ROWS)
    package = package_of(folder)
    assert [resource["name"] for resource in package.pop("resources") if "notice" in resource] == []
    notes = (folder / LICENCE_NAME).read_text(encoding="utf-8")
    about = cells(sheets(folder), "about")
    for text in (str(package), (folder / CITATION_NAME).read_text(encoding="utf-8"), notes, str(about)):
        assert not re.search(r"(?i)reconstruct|synthetic|重建|虚构", text)
    assert "A \\*Statistics\\* Office" in notes and "Wellbeing \\| of cities" in notes
    workbook = sheets(folder, read_only=False)
    assert [sheet.title for sheet in workbook if sheet.sheet_properties.tabColor is not None] == []


def test_of_two_indices_only_one_of_which_is_reconstructed_each_keeps_its_notice(tmp_path: Path) -> None:
    folder, manifest = a_release(
        tmp_path,
        EDITIONS
        + REAL
        + RECONSTRUCTED
        + """
        create table fct_real (index_code varchar, edition varchar, primary key (index_code, edition));
        insert into fct_real values ('wellbeing', '2024');
        create table fct_changes (index_code varchar, previous_edition varchar, primary key (index_code));
        insert into fct_changes values ('old', '1');
        """,
    )
    write_exports(folder, manifest, ALL_ROWS)
    resources = {resource["name"]: resource for resource in package_of(folder)["resources"]}
    assert "notice" not in resources["fct_real"]
    for table in ("fct_changes", "rpt_city_index", "dim_editions"):
        assert "reconstructed" in resources[table]["notice"] and "assumed" in resources[table]["notice"]
    about = cells(sheets(folder), "about")
    place = [row[0] for row in about].index("notice")
    assert about[place - 2][0] == "index old 1"
    assert about[place][1] == "重建 Partly reconstructed observations. Assumed weights."
    citation = yaml.safe_load((folder / CITATION_NAME).read_text(encoding="utf-8"))
    assert [reference["authors"] for reference in citation["references"]] == [
        [{"name": "出版者"}],
        [{"name": "A *Statistics* Office"}],
    ]
    assert len(citation["abstract"].splitlines()) == 2


def test_a_release_of_many_indices_says_of_each_what_is_true_of_it(editions: EditionsHome, tmp_path: Path) -> None:
    folder = tmp_path / "release"
    shutil.copytree(editions.published.parent, folder)
    manifest = read_manifest(folder)
    write_exports(folder, manifest, SOME_ROWS)
    wanted = {
        f"index {index_code} {edition}": notice
        for index_code, edition, notice in rows(
            folder / DATABASE_NAME,
            "select distinct index_code, edition, notice_zh || ' ' || notice_en from dim_editions "
            "left join rpt_city_index using (index_code, edition)",
        )
    }
    assert {"Reconstructed" in notice for notice in wanted.values() if notice} == {True, False}
    found, current = {}, ""
    for label, text, *_rest in cells(sheets(folder), "about"):
        if str(label).startswith("index "):
            current = label
            found[current] = None
        elif label == "notice":
            found[current] = text
    assert found == wanted
    assert ("fct_score_changes", "index_code", "previous_edition", "dim_editions") in foreign_keys_that_hold(folder)
    keywords = package_of(folder)["keywords"]
    assert {label.split()[1] for label in wanted} <= set(keywords)
    citation = yaml.safe_load((folder / CITATION_NAME).read_text(encoding="utf-8"))
    assert citation["keywords"] == keywords
    said = citation["abstract"].splitlines()[1:]
    assert {line.split(": ", 1)[0] for line in said} == {
        label.removeprefix("index ") for label, notice in wanted.items() if notice
    }


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Exporter]:
    with Exporter(Settings(project_directory=PROJECT_DIRECTORY, home=tmp_path)) as exporter:
        yield exporter


def test_a_helper_writes_the_same_exports(tmp_path: Path, exporter: Exporter) -> None:
    folder, manifest = a_release(tmp_path, EDITIONS + RECONSTRUCTED)
    exporter.start(folder, manifest)
    exporter.wait()
    assert not exporter.is_running
    written = {name: (folder / name).read_bytes() for name in EXPORT_NAMES}
    write_exports(folder, manifest, Settings.from_environment().workbook_rows)
    assert {name: (folder / name).read_bytes() for name in EXPORT_NAMES} == written


def test_exports_that_a_helper_cannot_write_are_told_and_can_be_begun_again(tmp_path: Path, exporter: Exporter) -> None:
    folder, manifest = a_release(tmp_path, EDITIONS + REAL)
    (folder / WORKBOOK_NAME).mkdir()
    exporter.start(folder, manifest)
    with pytest.raises(CityIndexError, match=rf"^the exports could not be written: .*{WORKBOOK_NAME}.*; run again$"):
        exporter.wait()
    exporter.start(folder, manifest)
    os.kill(exporter.pid, signal.SIGKILL)
    with pytest.raises(CityIndexError, match="their process ended with exit code -9"):
        exporter.wait()
    (folder / WORKBOOK_NAME).rmdir()
    exporter.start(folder, manifest)
    exporter.wait()
    assert (folder / LICENCE_NAME).is_file()


def test_a_helper_ends_with_its_session(tmp_path: Path) -> None:
    folder, manifest = a_release(tmp_path, EDITIONS + REAL)
    with Exporter(Settings(project_directory=PROJECT_DIRECTORY, home=tmp_path)) as exporter:
        exporter.start(folder, manifest)
        os.kill(exporter.pid, signal.SIGSTOP)
        pid = exporter.pid
    assert exporter.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_long_table_is_inserted_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [7 * place % 101 for place in range(101)]
    script = "create table numbers (name varchar, number integer, primary key (number));" + "".join(
        f"insert into numbers values ('{number:03}', {number});" for number in numbers
    )
    whole, _manifest = a_release(_made(tmp_path / "whole"), EDITIONS + REAL + script)
    for piece_rows in (10, 100, 101):
        monkeypatch.setattr(assemble, "_PIECE_ROWS", piece_rows)
        pieces, manifest = a_release(_made(tmp_path / str(piece_rows)), EDITIONS + REAL + script)
        assert manifest.tables["numbers"] == 101
        for name in ("parquet/numbers.parquet", "csv/numbers.csv"):
            assert (pieces / name).read_bytes() == (whole / name).read_bytes()
        with duckdb.connect(str(pieces / DATABASE_NAME)) as connection:
            assert connection.execute("select number from numbers").fetchall() == [(number,) for number in range(101)]
            with pytest.raises(duckdb.ConstraintException, match=r"[Dd]uplicate key"):
                connection.execute("insert into numbers values ('x', 100)")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
