"""The invariants that proofs rest on see each fault that they are there for, and nothing where there is none."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from landing_files import Door, make_door

from city_index.checksums import file_sha256
from city_index.lock import rebuild_lock
from city_index.releases import store
from city_index.settings import Settings
from reliability.invariants import (
    accounts_balance,
    after_fault,
    after_next_run,
    nothing_left_over,
    nothing_lost,
    published_is_one_release,
)
from reliability.killing.homes import keep_release, small_home


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with two kept releases, the newer one published."""
    return small_home(tmp_path / "home")


def test_a_home_without_a_fault_breaks_nothing(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "temp").mkdir()
    assert after_fault(settings) == []
    assert after_next_run(settings, system_temp=tmp_path / "temp") == []


def test_a_home_before_its_first_release_breaks_nothing(tmp_path: Path) -> None:
    assert after_fault(Settings(tmp_path, tmp_path / "home")) == []


def _other_database(settings: Settings) -> None:
    """The older release's database under the name of the newer one."""
    _newer, older = store.kept_releases(settings)
    with duckdb.connect(str(settings.published_database)) as connection:
        connection.execute(
            f"attach '{settings.releases / older.release_id / 'city_index.duckdb'}' as older (read_only)"
        )
        connection.execute("create or replace table fct_1 as from older.fct_1")


def _cut_database(settings: Settings) -> None:
    os.truncate(settings.published_database, 5000)


def _wal(settings: Settings) -> None:
    Path(f"{settings.published_database}.wal").write_bytes(b"left over")


def _mixed_file(settings: Settings) -> None:
    _newer, older = store.kept_releases(settings)
    shutil.copyfile(
        settings.releases / older.release_id / "csv" / "fct_0.csv", settings.published / "csv" / "fct_0.csv"
    )


def _lost_file(settings: Settings) -> None:
    (settings.published / "report" / "index.html").unlink()


def _damaged_release(settings: Settings) -> None:
    _newer, older = store.kept_releases(settings)
    (settings.releases / older.release_id / "csv" / "fct_0.csv").write_text("cut", encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_other_database, "fct_1 has 501 rows instead of 502"),
        (_cut_database, "cannot be read"),
        (_mixed_file, "fct_0.csv is not a file of"),
        (_wal, "may block readers"),
        (_lost_file, "index.html is missing"),
        (_damaged_release, "differs from its manifest"),
    ],
)
def test_what_a_fault_must_never_do_is_seen(settings: Settings, harm: Callable[[Settings], None], said: str) -> None:
    harm(settings)
    assert said in "; ".join(after_fault(settings))


def test_a_database_of_a_release_that_is_not_kept_is_seen(settings: Settings) -> None:
    newer, _older = store.kept_releases(settings)
    shutil.rmtree(settings.releases / newer.release_id)
    assert "which is not kept" in "; ".join(published_is_one_release(settings))


def test_half_a_publication_is_a_fault_only_after_the_next_run(settings: Settings) -> None:
    manifest = keep_release(settings, 3)
    shutil.copyfile(settings.releases / manifest.release_id / "city_index.duckdb", settings.published_database)
    assert after_fault(settings) == []
    assert "ought to be" in "; ".join(after_next_run(settings))


@pytest.mark.parametrize(
    "name",
    [
        ".last_run.json.tmp",
        "rollback.tmp",
        "landing/cities/.123.part",
        "landing_work/1/rows.parquet",
        "warehouse/.parsed-0123456789ab-77/manifest.json",
        "warehouse/parsed-0123456789ab/.unit_tests.json-77",
        "releases/.staging-x/city_index.duckdb",
        "releases/20260105T000000Z-00000000/csv/fct_0.csv",
        "published/.manifest.json.tmp",
        "published/csv/.fct_0.csv.publishing",
        "published/report/of_no_release.html",
        "raw/cities/tmp_000001-20260101T000000Z-00000000.parquet",
        "temporary/dbt/x",
    ],
)
def test_what_a_run_leaves_behind_is_seen(settings: Settings, name: str) -> None:
    assert nothing_left_over(settings) == []
    path = settings.home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    assert str(path) in "; ".join(nothing_left_over(settings)) or "half a release" in "; ".join(
        nothing_left_over(settings)
    )


def test_a_file_in_the_systems_temp_folder_and_a_held_lock_are_seen(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "temp").mkdir()
    (tmp_path / "temp" / "tmpabc").write_bytes(b"")
    with rebuild_lock(settings.lock_file, "a test"):
        found = "; ".join(after_next_run(settings, system_temp=tmp_path / "temp"))
    assert "tmpabc is left over in the system's temp folder" in found
    assert "the rebuild lock is held by" in found


def _landed(tmp_path: Path) -> tuple[Door, list[tuple[str, str]]]:
    door = make_door(tmp_path / "home")
    path = door.drop(
        "cities", "a.csv", "city_code,name_zh,name_en\nAUT,奥地利,Austria\nAUT,奥,Austria\nCHE,瑞士,Switzerland\n"
    )
    ingested = [("cities", file_sha256(path))]
    door.land()
    return door, ingested


def test_what_landed_is_accounted_for(tmp_path: Path) -> None:
    door, ingested = _landed(tmp_path)
    assert nothing_lost(door.settings, ingested) + accounts_balance(door.settings) == []
    (raw,) = (door.settings.raw / "cities").glob("*.parquet")
    (quarantine,) = (door.settings.quarantine / "cities").glob("*.parquet")
    # The same rows once more under a batch of another number.
    content, refused = raw.read_bytes(), quarantine.read_bytes()
    raw.with_name(raw.name.replace("000001", "000002")).write_bytes(content)
    assert "2 records" in "; ".join(accounts_balance(door.settings))
    raw.with_name(raw.name.replace("000001", "000002")).unlink()
    quarantine.unlink()
    assert "its files hold (1, 0)" in "; ".join(accounts_balance(door.settings))
    quarantine.write_bytes(refused)
    shutil.rmtree(door.settings.archive)
    assert "neither in the archive" in "; ".join(accounts_balance(door.settings))
    assert accounts_balance(door.settings, is_archive_kept=False) == []
    raw.unlink()
    assert "neither landed" in "; ".join(nothing_lost(door.settings, ingested))


def test_a_file_that_landed_twice_is_seen(tmp_path: Path) -> None:
    door, ingested = _landed(tmp_path)
    (raw,) = (door.settings.raw / "cities").glob("*.parquet")
    with duckdb.connect() as connection:
        (text,) = connection.execute(
            f"select decode(value) from parquet_kv_metadata('{raw}') where decode(key) = 'city_index_batches'"
        ).fetchone()
        (record,) = json.loads(text)
        record |= {"batch_id": record["batch_id"].replace("000001", "000002"), "batch_number": 2}
        connection.execute(
            f"copy (select * replace ('{record['batch_id']}' as batch_id, 2 as batch_number) from '{raw}') to "
            f"'{raw.parent / record['batch_id']}.parquet' "
            f"(format parquet, kv_metadata {{city_index_batches: '{json.dumps([record])}'}})"
        )
    assert "has landed 2 times" in "; ".join(nothing_lost(door.settings, ingested))
