"""A release stands on its own, is published atomically, and can be rolled back."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from support import Published, city_index, copy_home, python, wrong_with

from city_index.checksums import file_sha256
from city_index.releases import store
from city_index.releases.assemble import _export_csv, connect
from city_index.releases.manifest import faults, read_manifest
from city_index.settings import PROJECT_DIRECTORY, Settings

# Cities of each edition by the nodes of the tree.
SCORES = (150 + 31) * 73

EARLIER = "20200101T000000Z-00000000"

INTERFACE_TABLES = {
    "dim_cities",
    "dim_indicators",
    "fct_city_highlights",
    "fct_city_scores",
    "fct_cluster_scores",
    "fct_indicator_scores",
    "fct_published_context",
    "fct_tier_scores",
    "meta_checks",
    "meta_release",
    "rpt_city_index",
    "rpt_reconciliation",
}


def settings_of(home: Path, **changes) -> Settings:
    return Settings(project_directory=PROJECT_DIRECTORY, home=home, **changes)


@pytest.fixture
def home(published: Published, tmp_path: Path) -> Path:
    """A copy of the published home that the test may change."""
    return copy_home(published.home, tmp_path / "home")


def test_run_says_what_was_published(published: Published) -> None:
    manifest = read_manifest(published.settings.published)
    said = published.run.stdout
    assert f"Published release {manifest.release_id}" in said
    assert str(published.database) in said
    assert "北京" in said
    assert "Chongqing" in said
    assert f"{manifest.checks['passed']} checks passed" in said


def test_published_file_holds_tables_with_keys_and_comments_only(release) -> None:
    tables = {row[0] for row in release.execute("select table_name from duckdb_tables()").fetchall()}
    assert tables >= INTERFACE_TABLES
    assert release.execute("select count(*) from duckdb_views() where not internal").fetchone() == (0,)
    keyed = {
        row[0]
        for row in release.execute(
            "select table_name from duckdb_constraints() where constraint_type = 'PRIMARY KEY'"
        ).fetchall()
    }
    assert keyed == tables
    undocumented = release.execute(
        "select table_name || '.' || column_name from duckdb_columns() "
        "where not internal and coalesce(comment, '') = ''"
        " union all select table_name from duckdb_tables() where coalesce(comment, '') = ''"
    ).fetchall()
    assert undocumented == []


def test_published_file_is_in_the_oldest_storage_format(published: Published) -> None:
    # Bytes 12 to 20 of a DuckDB file hold the version of its storage; 64 is that of DuckDB 1.0.
    header = published.database.read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    assert int.from_bytes(header[12:20], "little") == 64


def test_parquet_and_csv_hold_the_same_rows(published: Published, release) -> None:
    folder = published.settings.published
    for (table,) in release.execute("select table_name from duckdb_tables() order by 1").fetchall():
        rows = release.execute(f"select count(*) from {table}").fetchone()
        assert release.execute(f"select count(*) from '{folder}/parquet/{table}.parquet'").fetchone() == rows
        with (folder / "csv" / f"{table}.csv").open("rb") as stream:
            assert stream.read(3) == b"\xef\xbb\xbf"
        with (folder / "csv" / f"{table}.csv").open(encoding="utf-8-sig", newline="") as stream:
            assert sum(1 for _ in csv.reader(stream)) == rows[0] + 1


def test_csv_neutralises_formulas_in_text_and_leaves_numbers(tmp_path: Path) -> None:
    with connect(paths=[tmp_path]) as connection:
        connection.execute(f"attach '{tmp_path / 'r.duckdb'}' as release")
        connection.execute("create table release.main.t (id integer primary key, name varchar, value double)")
        texts = ["=1+1", "+cmd", "-2", "@x", "\tx", "\rx", "\n=1", " =1", "＝1", "＠x", "plain", "a=b", None]
        connection.executemany(
            "insert into release.main.t values (?, ?, -1.5)", [(number, text) for number, text in enumerate(texts)]
        )
        _export_csv(connection, tmp_path, "t", ["id"])
    with (tmp_path / "t.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["name"] for row in rows] == [f"'{text}" for text in texts[:-3]] + ["plain", "a=b", ""]
    assert {row["value"] for row in rows} == {"-1.5"}


def test_manifest_names_every_file_of_the_release_with_its_checksum(published: Published) -> None:
    public = read_manifest(published.settings.published)
    folder = published.settings.releases / public.release_id
    manifest = read_manifest(folder)
    assert faults(folder, manifest) == []
    assert faults(published.settings.published, public) == []
    assert replace(manifest, files=public.files) == public
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == {
        *manifest.files,
        "manifest.json",
    }
    for name in ("city_index.duckdb", "parquet/fct_city_scores.parquet", "csv/rpt_city_index.csv"):
        assert file_sha256(published.settings.published / name) == public.files[name]["sha256"]


def test_meta_release_agrees_with_the_manifest(published: Published, release) -> None:
    manifest = read_manifest(published.settings.published)
    cursor = release.execute("select * exclude (built_at_utc) from meta_release")
    names = [column[0] for column in cursor.description]
    (row,) = cursor.fetchall()
    assert dict(zip(names, row, strict=True)) == {name: getattr(manifest, name) for name in names}


def test_meta_checks_hold_every_check_of_dbt_and_of_the_gates(release) -> None:
    kinds = dict(release.execute("select kind, count(*) from meta_checks group by all").fetchall())
    assert set(kinds) == {"dbt_test", "dbt_unit_test", "gx_raw", "gx_marts"}
    assert kinds["dbt_test"] >= 50
    assert kinds["dbt_unit_test"] >= 14
    assert release.execute("select count(*) from meta_checks where status in ('failed')").fetchone() == (0,)
    assert release.execute("select distinct severity from meta_checks order by 1").fetchall() == [
        ("critical",),
        ("warning",),
    ]


def test_data_docs_are_kept_and_load_nothing_from_a_network(published: Published) -> None:
    manifest = read_manifest(published.settings.published)
    docs = published.settings.releases / manifest.release_id / "data_docs"
    pages = list(docs.rglob("*.html"))
    assert docs / "index.html" in pages
    assert len(pages) > 10
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for remote in ('src="http', "src='http", "<link", "<script", "@import"):
            assert remote not in text, page


def _rename_release(home: Path, release_id: str, sequence: int) -> None:
    """Keep the published release once more under another name, as if it had been built before or after."""
    settings = settings_of(home)
    manifest = store.current_release(settings)
    target = settings.releases / release_id
    subprocess.run(["cp", "-r", settings.releases / manifest.release_id, target], check=True)
    description = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    description |= {"release_id": release_id, "sequence": sequence}
    (target / "manifest.json").write_text(json.dumps(description), encoding="utf-8")


def test_rollback_makes_an_earlier_release_current(home: Path) -> None:
    newest = read_manifest(home / "published").release_id
    _rename_release(home, EARLIER, 0)
    done = city_index("rollback", EARLIER, home=home)
    assert done.returncode == 0, done.stderr
    assert read_manifest(home / "published").release_id == EARLIER
    assert faults(home / "published", read_manifest(home / "published"), only=("city_index.duckdb", "csv/")) == []
    listed = city_index("releases", home=home).stdout.splitlines()
    assert listed[0].startswith(f"  {newest}")
    assert listed[1].startswith(f"* {EARLIER}")
    assert "rolled back" in city_index("status", home=home).stdout
    missing = city_index("rollback", "never", home=home)
    assert missing.returncode == 2
    assert "there is no release never" in missing.stderr


# Where a process is killed while it publishes: before the first file, after the database, before the manifest.
_KILLS = {
    "after the release is kept": "store.activate = die",
    "after the database is replaced": "store._replace_file = once(store._replace_file)",
    "before the manifest is replaced": "store.write_manifest = die",
}
_KILLED_COMMAND = """
import os, sys
from city_index.releases import store
import city_index.cli
def die(*arguments):
    os._exit(9)
def once(function):
    def first_only(*arguments):
        if str(arguments[1]).endswith(".parquet"):
            die()
        function(*arguments)
    return first_only
{kill}
city_index.cli.main()
"""


def _killed(home: Path, moment: str, *arguments: str, project: Path = PROJECT_DIRECTORY) -> None:
    """A command that is killed at a moment of a publication, and what is seen of that."""
    killed = python(
        "-c", _KILLED_COMMAND.format(kill=_KILLS[moment]), *arguments, project=project, CITY_INDEX_HOME=str(home)
    )
    assert killed.returncode == 9, killed.stderr
    with duckdb.connect(str(home / "published" / "city_index.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from meta_release").fetchone() == (1,)
    assert "ought to be published" in city_index("doctor", home=home, project=project).stdout


def test_a_rollback_that_was_killed_is_completed_by_the_next_run_and_stays_until_something_changes(home: Path) -> None:
    _rename_release(home, EARLIER, 0)
    kept = store.kept_releases(settings_of(home))
    _killed(home, "after the database is replaced", "rollback", EARLIER)
    again = city_index("run", home=home)
    assert again.returncode == 0, again.stderr
    assert f"release {EARLIER}" in again.stdout
    assert store.published_faults(settings_of(home)) == []
    assert store.current_release(settings_of(home)).release_id == EARLIER
    assert store.kept_releases(settings_of(home)) == kept
    shutil.rmtree(home / "releases" / EARLIER)
    (home / "published" / "csv" / "dim_cities.csv").unlink()
    assert wrong_with(home) != []
    without = city_index("run", home=home)
    assert without.returncode == 0, without.stderr
    assert store.current_release(settings_of(home)).release_id == store.kept_releases(settings_of(home))[0].release_id
    assert store.published_faults(settings_of(home)) == []
    assert wrong_with(home) == []


def test_damage_is_found_and_the_next_run_mends_it(home: Path) -> None:
    database = home / "published" / "city_index.duckdb"
    content = database.read_bytes()
    database.write_bytes(content[:5000])
    Path(f"{database}.wal").write_bytes(b"left over")
    (home / "releases" / ".staging-killed").mkdir()
    (home / "releases" / "notes of an operator").mkdir()
    (home / "published" / "csv" / ".cache").mkdir()
    for manifest in (home / "warehouse").glob("parsed-*/manifest.json"):
        manifest.write_text("", encoding="utf-8")
    (home / "published" / "parquet" / ".dim_cities.parquet.publishing").write_bytes(b"half")
    verified = city_index("verify", home=home)
    assert verified.returncode == 1
    assert "differs from its manifest" in verified.stdout
    assert ".wal" in city_index("doctor", home=home).stdout
    (home / "published" / "manifest.json").write_text("{", encoding="utf-8")
    assert "manifest.json is missing or cannot be read" in city_index("doctor", home=home).stdout
    mended = city_index("run", home=home)
    assert mended.returncode == 0, mended.stderr
    assert "was put back" in mended.stdout
    assert database.read_bytes() == content
    assert not Path(f"{database}.wal").exists()
    assert not (home / "releases" / ".staging-killed").exists()
    assert (home / "releases" / "notes of an operator").is_dir()
    assert not list((home / "published").rglob(".*.publishing"))
    assert city_index("verify", home=home).returncode == 0


def test_old_releases_are_pruned_but_never_the_published_one(home: Path) -> None:
    settings = settings_of(home, releases_kept=2)
    newest = store.current_release(settings).release_id
    for number in range(3):
        _rename_release(home, f"{EARLIER}-{number}", -number)
    store.roll_back(settings, f"{EARLIER}-2")
    assert sorted(store.prune(settings)) == [f"{EARLIER}-1"]
    assert {manifest.release_id for manifest in store.kept_releases(settings)} == {
        newest,
        f"{EARLIER}-0",
        f"{EARLIER}-2",
    }


def test_a_damaged_release_is_not_rolled_back_to(home: Path) -> None:
    _rename_release(home, EARLIER, 0)
    (home / "releases" / EARLIER / "csv" / "dim_cities.csv").write_text("changed", encoding="utf-8")
    before = read_manifest(home / "published")
    refused = city_index("rollback", EARLIER, home=home)
    assert refused.returncode == 1
    assert "damaged" in refused.stderr
    assert read_manifest(home / "published") == before


def test_an_open_reader_keeps_its_release_while_another_is_published(home: Path) -> None:
    _rename_release(home, EARLIER, 0)
    settings = settings_of(home)
    reader = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys\n"
            f"connection = duckdb.connect({str(settings.published_database)!r}, read_only=True)\n"
            "print(connection.execute('select count(*) from fct_indicator_scores').fetchone()[0], flush=True)\n"
            "sys.stdin.readline()\n"
            "print(connection.execute('select count(*), sum(score) from fct_indicator_scores').fetchone()[0])\n",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert reader.stdout.readline() == f"{SCORES}\n"
    for _ in range(3):
        for release_id in (EARLIER, store.kept_releases(settings)[0].release_id):
            store.roll_back(settings, release_id)
            with duckdb.connect(str(settings.published_database), read_only=True) as connection:
                assert connection.execute("select count(*) from fct_indicator_scores").fetchone() == (SCORES,)
    said, _ = reader.communicate("go\n", timeout=60)
    assert said == f"{SCORES}\n"
    assert reader.returncode == 0


def test_something_in_the_way_of_a_published_file_is_said_before_anything_changes(home: Path) -> None:
    _rename_release(home, EARLIER, 0)
    (home / "published" / "csv" / "dim_cities.csv").unlink()
    (home / "published" / "csv" / "dim_cities.csv").mkdir()
    before = read_manifest(home / "published")
    refused = city_index("rollback", EARLIER, home=home)
    assert refused.returncode == 1
    assert "is a folder where a file is to be published; move it away" in refused.stderr
    assert read_manifest(home / "published") == before


def test_a_link_in_the_place_of_the_report_is_refused_and_what_it_leads_to_is_left(home: Path, tmp_path: Path) -> None:
    _rename_release(home, EARLIER, 0)
    elsewhere = tmp_path / "elsewhere"
    (home / "published" / "report").rename(elsewhere)
    (elsewhere / "kept.txt").write_text("kept", encoding="utf-8")
    (home / "published" / "report").symlink_to(elsewhere)
    before = read_manifest(home / "published")
    refused = city_index("rollback", EARLIER, home=home)
    assert refused.returncode == 1
    assert "is a link where a folder is to be published; move it away" in refused.stderr
    assert read_manifest(home / "published") == before
    assert (elsewhere / "kept.txt").is_file()


def test_what_the_release_before_had_and_this_one_has_not_goes(home: Path) -> None:
    settings = settings_of(home)
    _rename_release(home, EARLIER, 0)
    earlier = settings.releases / EARLIER
    shutil.rmtree(earlier / "report")
    (earlier / "city_index.xlsx").unlink()
    manifest = json.loads((earlier / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] = {
        name: entry
        for name, entry in manifest["files"].items()
        if not name.startswith("report/") and name != "city_index.xlsx"
    }
    (earlier / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    newest = store.current_release(settings).release_id
    store.roll_back(settings, EARLIER)
    assert not (home / "published" / "report").exists()
    assert not (home / "published" / "city_index.xlsx").exists()
    assert store.published_faults(settings) == []
    store.roll_back(settings, newest)
    assert (home / "published" / "report" / "en" / "index.html").is_file()
    assert store.published_faults(settings) == []


def test_a_folder_under_releases_with_a_broken_manifest_is_reported(home: Path) -> None:
    _rename_release(home, EARLIER, 0)
    (home / "releases" / EARLIER / "manifest.json").write_text('{"release_id": 1}', encoding="utf-8")
    doctor = city_index("doctor", home=home)
    assert doctor.returncode == 1
    assert f"{EARLIER} has no manifest of its own that can be read" in doctor.stdout


@pytest.mark.slow
@pytest.mark.parametrize("moment", _KILLS)
def test_a_publication_that_was_cut_short_is_completed_by_the_next_run(
    request: pytest.FixtureRequest, moment: str, is_long: bool
) -> None:
    if not is_long:
        pytest.skip("in short, a rollback is killed that a run completes; `make proofs` kills whole nights")
    project_copy, home = request.getfixturevalue("project_copy"), request.getfixturevalue("home")
    before = read_manifest(home / "published")
    seed = project_copy / "seeds" / "cities.csv"
    seed.write_text(seed.read_text(encoding="utf-8").replace("116.407394", "116.4"), encoding="utf-8")
    _killed(home, moment, "run", project=project_copy)
    completed = city_index("run", home=home, project=project_copy)
    assert completed.returncode == 0, completed.stderr
    after = read_manifest(home / "published")
    assert after.release_id != before.release_id
    assert faults(home / "published", after) == []
    assert len(store.kept_releases(settings_of(home))) == 2
    with duckdb.connect(str(home / "published" / "city_index.duckdb"), read_only=True) as connection:
        assert connection.execute("select longitude from dim_cities where city_code = 'beijing'").fetchone() == (116.4,)
