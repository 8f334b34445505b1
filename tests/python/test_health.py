"""Each fault is injected into a home, doctor's looking names it with its remedy, and the remedy works."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import duckdb
import pytest
from landing_files import make_door
from support import NOT_THE_PINNED_DUCKDB, Published, copy_home

from city_index import health
from city_index.landing.ledger import Ledger
from city_index.last_run import write_last_run
from city_index.releases import store
from city_index.session import rebuild_session
from city_index.settings import PROJECT_DIRECTORY, Settings

FUTURE = "2999-01-01T00:00:00Z"


def found(settings: Settings) -> list[str]:
    return [problem for problem in health.problems(settings) if not problem.startswith(NOT_THE_PINNED_DUCKDB)]


def open_and_close_a_rebuild(settings: Settings) -> None:
    """What every run begins with: clearing up, landing."""
    with rebuild_session(settings, "test") as session:
        session.land()


@pytest.fixture(scope="module")
def sound(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published home in which something was landed and nothing is wrong."""
    home = copy_home(published.home, tmp_path_factory.mktemp("sound") / "home")
    door = make_door(home)
    door.drop("cities", "countries.csv", "city_code,name_zh,name_en\nAUT,奥地利,Austria\n,x,y\n")
    door.land()
    assert found(door.settings) == []
    return home


@pytest.fixture
def settings(sound: Path, tmp_path: Path) -> Settings:
    """A copy of that home."""
    return make_door(copy_home(sound, tmp_path / "home")).settings


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def kept(settings: Settings) -> Path:
    return settings.releases / store.kept_releases(settings)[0].release_id


def put_back(settings: Settings) -> None:
    """What a run does where the newest release has the content already."""
    store.activate(settings, store.wanted_release(settings))


def dagster_history(settings: Settings, status: str, started: datetime) -> None:
    path = settings.dagster_home / "history" / "runs.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "insert into runs (run_id, status, start_time, create_timestamp) values (?, ?, ?, ?)",
            ["0123abcd-0000", status, started.timestamp(), f"{started:%Y-%m-%d %H:%M:%S}"],
        )


def corrupt(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def built(settings: Settings) -> Path:
    return settings.warehouse / "build" / "build.duckdb"


# For each fault: how it comes about, what is said of it, the remedy that is said, and that remedy.
FAULTS: dict[str, tuple[Callable[[Settings], object], str, str, Callable[[Settings], object]]] = {
    "corrupted published database": (
        lambda s: corrupt(s.published_database),
        "city_index.duckdb differs from its manifest",
        "run `city-index run` to put it back",
        put_back,
    ),
    "truncated published file": (
        lambda s: truncate(s.published / "parquet" / "fct_indicator_scores.parquet"),
        "fct_indicator_scores.parquet differs from its manifest",
        "run `city-index run` to put it back",
        put_back,
    ),
    "write-ahead log beside the published database": (
        lambda s: Path(f"{s.published_database}.wal").write_bytes(b"x"),
        "is left over from a writer and blocks readers",
        "run `city-index run` to put it back",
        put_back,
    ),
    "damaged published manifest": (
        lambda s: truncate(s.published / "manifest.json"),
        "manifest.json is missing or cannot be read",
        "run `city-index run` to put it back",
        put_back,
    ),
    "vanished published folder": (
        lambda s: shutil.rmtree(s.published),
        "published is missing",
        "mount or restore it, or run `city-index run`",
        put_back,
    ),
    "file in place of a folder": (
        lambda s: (shutil.rmtree(s.warehouse), s.warehouse.write_text("x")),
        "warehouse is not a folder",
        "move it away",
        lambda s: s.warehouse.unlink(),
    ),
    "vanished landing folder": (
        lambda s: shutil.rmtree(s.landing),
        "files that are dropped there are lost",
        "run `city-index run`, which makes it anew",
        open_and_close_a_rebuild,
    ),
    "vanished raw folder": (
        lambda s: s.raw.rename(s.home.parent / "raw"),
        "raw is missing with",
        "restore it from the backup, or let its rows go with `city-index run --accept-removals`",
        lambda s: (s.home.parent / "raw").rename(s.raw),
    ),
    "damaged landed file": (
        lambda s: corrupt(next(s.quarantine.rglob("*.parquet"))),
        "holds other bytes than were landed",
        "restore it from the backup",
        lambda s: corrupt(next(s.quarantine.rglob("*.parquet"))),
    ),
    "damaged checksums of landed files": (
        lambda s: s.landed_files.write_text("{"),
        "landed.json, the checksums of what was landed, cannot be read",
        "restore it from the backup, or delete it",
        lambda s: (s.landed_files.unlink(), open_and_close_a_rebuild(s)),
    ),
    "damaged list of refused files": (
        lambda s: s.refused_files.write_bytes(b"PAR1"),
        "refused_files.parquet cannot be read",
        "delete it, the next run makes it anew",
        lambda s: s.refused_files.unlink(),
    ),
    "corrupted build file": (
        lambda s: corrupt(built(s)),
        "build.duckdb was changed after it had been checked",
        "run `city-index run`, which builds anew",
        lambda s: shutil.rmtree(s.warehouse / "build"),
    ),
    "build file that cannot be opened": (
        lambda s: (built(s).write_bytes(b"no database"), (s.warehouse / "build/checks/audited.sha256").unlink()),
        "build.duckdb cannot be opened",
        "run `city-index run`, which builds anew",
        lambda s: shutil.rmtree(s.warehouse / "build"),
    ),
    "damaged description of the build": (
        lambda s: (s.warehouse / "build" / "build.json").write_text(""),
        "build.json cannot be read",
        "run `city-index run`, which builds anew",
        lambda s: shutil.rmtree(s.warehouse / "build"),
    ),
    "damaged kept release": (
        lambda s: corrupt(kept(s) / "csv" / "dim_cities.csv"),
        "dim_cities.csv differs from its manifest; the kept release",
        "restore it, or delete its folder and run `city-index run`",
        lambda s: corrupt(kept(s) / "csv" / "dim_cities.csv"),
    ),
    "damaged manifest of a kept release": (
        lambda s: shutil.copytree(kept(s), s.releases / "20200101T000000Z-00000000"),
        "20200101T000000Z-00000000 has no manifest of its own that can be read",
        "restore that, or move the folder away",
        lambda s: shutil.rmtree(s.releases / "20200101T000000Z-00000000"),
    ),
    "killed while a release was assembled": (
        lambda s: (s.releases / ".staging-x").mkdir(),
        "a run was cut short and left",
        "run `city-index run`, which clears up",
        open_and_close_a_rebuild,
    ),
    "killed while landing": (
        lambda s: s.landing_work.mkdir(),
        "landing_work",
        "run `city-index run`, which clears up",
        open_and_close_a_rebuild,
    ),
    "killed while a file was published": (
        lambda s: (s.published / "csv" / ".dim_cities.csv.publishing").write_text("half"),
        ".dim_cities.csv.publishing",
        "run `city-index run`, which clears up",
        open_and_close_a_rebuild,
    ),
    "killed while a landed file was moved": (
        lambda s: Ledger(s).begin({}, [], decided_by=s.raw / "cities" / "x.parquet"),
        "a landing was cut short while it moved its files",
        "run `city-index run`, which completes or undoes that",
        open_and_close_a_rebuild,
    ),
    "clock that went back since the release": (
        lambda s: [edit_json(folder / "manifest.json", built_at_utc=FUTURE) for folder in (s.published, kept(s))],
        "the published release was built at 2999",
        "set the clock of this machine",
        lambda s: [
            edit_json(folder / "manifest.json", built_at_utc="2026-01-01T00:00:00Z")
            for folder in (s.published, kept(s))
        ],
    ),
    "clock that went back since the last run": (
        lambda s: edit_json(s.home / "last_run.json", ended_at_utc=FUTURE),
        "the last run ended at 2999",
        "set the clock of this machine",
        lambda s: write_last_run(s, "test", "unchanged", None),
    ),
    "failed run": (
        lambda s: write_last_run(s, "test", "failed", "the disk was full"),
        "the last rebuild failed at",
        "the disk was full; mend that and run `city-index run`",
        lambda s: write_last_run(s, "test", "unchanged", None),
    ),
    "damaged record of the last run": (
        lambda s: (s.home / "last_run.json").write_text("{"),
        "last_run.json cannot be read",
        "run `city-index run`, which writes it anew",
        lambda s: write_last_run(s, "test", "unchanged", None),
    ),
    "damaged note of a rollback": (
        lambda s: (s.home / "rollback.json").write_text("{"),
        "rollback.json cannot be read, so what is published stays",
        "delete it, and the next run publishes the newest release",
        lambda s: (s.home / "rollback.json").unlink(),
    ),
    "killed run worker": (
        lambda s: dagster_history(s, "STARTED", datetime.now(UTC) - timedelta(hours=1)),
        "Dagster takes run 0123abcd for running, and no process works on it",
        "start Dagster again (`make dev`), whose daemon ends it",
        lambda s: _execute(s, "update runs set status = 'FAILURE'"),
    ),
    "killed run worker under the settings of an older home": (
        lambda s: (
            (s.dagster_home / "dagster.yaml").write_text("telemetry: {enabled: false}"),
            dagster_history(s, "STARTED", datetime.now(UTC) - timedelta(hours=1)),
        ),
        "Dagster takes run 0123abcd for running, and no process works on it",
        "has the run_launcher of the project's own dagster.yaml",
        lambda s: _execute(s, "update runs set status = 'FAILURE'"),
    ),
    "killed Dagster daemon": (
        lambda s: dagster_history(s, "QUEUED", datetime.now(UTC) - timedelta(hours=1)),
        "Dagster's daemon was last heard never, and 1 runs wait for it",
        "start it (`make dev`, or the service)",
        lambda s: _execute(s, "update runs set status = 'SUCCESS'"),
    ),
    "damaged history of Dagster": (
        lambda s: (s.dagster_home / "history" / "runs.db").write_bytes(b"no database at all" * 100),
        "runs.db cannot be read",
        "move it away, and start Dagster again",
        lambda s: (s.dagster_home / "history" / "runs.db").unlink(),
    ),
}


def _execute(settings: Settings, statement: str) -> None:
    with closing(sqlite3.connect(settings.dagster_home / "history" / "runs.db")) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_remedy_and_the_remedy_works(settings: Settings, fault: str) -> None:
    inject, said, remedy, mend = FAULTS[fault]
    inject(settings)
    sentences = found(settings)
    (named,) = [sentence for sentence in sentences if said in sentence] or [sentences]
    assert remedy in named
    assert "\n" not in named
    mend(settings)
    assert found(settings) == []


def test_dagsters_daemon_and_settings_are_asked_for_where_it_runs_the_nights(tmp_path: Path) -> None:
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=tmp_path, environment="prod")
    folder = settings.dagster_home / "history"
    folder.mkdir(parents=True)
    (settings.dagster_home / "dagster.yaml").write_text("run_monitoring: {enabled: true}", encoding="utf-8")
    with closing(sqlite3.connect(folder / "runs.db")) as connection, connection:
        connection.execute("create table runs (run_id, status, start_time, create_timestamp)")
        connection.execute("create table daemon_heartbeats (timestamp)")
        connection.execute("insert into daemon_heartbeats values ('')")

    def say(heard: timedelta) -> list[str]:
        moment = (datetime.now(UTC) - heard).replace(tzinfo=None).isoformat(sep=" ")
        _execute(settings, f"update daemon_heartbeats set timestamp = '{moment}'")
        return list(health._dagster(settings))

    assert say(timedelta(days=4)) == [], "cron runs the nights"
    silent, lacking = say(timedelta(hours=1))
    assert "daemon was last heard at" in silent
    assert "lacks run_launcher, retention, run_monitoring: poll_interval_seconds" in lacking
    shutil.copyfile(PROJECT_DIRECTORY / "dagster.yaml", settings.dagster_home / "dagster.yaml")
    assert say(timedelta(seconds=30)) == []
    (settings.dagster_home / "dagster.yaml").write_text("[", encoding="utf-8")
    (damaged,) = say(timedelta(seconds=30))
    assert "dagster.yaml cannot be read" in damaged


def test_an_open_reader_is_no_fault(settings: Settings) -> None:
    with duckdb.connect(str(settings.published_database), read_only=True) as reader:
        reader.execute("select * from meta_release")
        assert found(settings) == []


def test_what_a_running_rebuild_works_on_is_no_fault_unless_it_takes_hours(settings: Settings) -> None:
    (settings.releases / ".staging-x").mkdir()
    corrupt(built(settings))
    edit_json(settings.landed_files, change={"decided_by": "raw/cities/x.parquet", "adds": {}, "removes": []})
    holder = {"what": "city-index run", "pid": os.getpid(), "host": "here"}
    with settings.lock_file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        settings.lock_file.write_text(json.dumps(holder | {"since_utc": datetime.now(UTC).isoformat()}))
        assert found(settings) == []
        began = (datetime.now(UTC) - timedelta(hours=5)).isoformat()
        settings.lock_file.write_text(json.dumps(holder | {"since_utc": began}))
        (named,) = found(settings)
        assert f"process {os.getpid()} on here, since {began}" in named
        assert "if it hangs, end that process" in named


def test_a_package_that_the_lock_does_not_pin_is_named(settings: Settings, tmp_path: Path) -> None:
    lock = tmp_path / "project" / "requirements.lock"
    lock.parent.mkdir()
    lock.write_text("# pins\ndagster==0.0.1 \\\n    --hash=sha256:00\n", encoding="utf-8")
    (named,) = [problem for problem in found(replace(settings, project_directory=lock.parent)) if "pins" in problem]
    assert named == f"dagster is {version('dagster')} and the lock pins 0.0.1; run `make setup`"


# A child of its own mount namespace: a folder mounted read-only, or on a disk of its own that is nearly full.
_NAMESPACE = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
_HAS_NAMESPACES = shutil.which("unshare") is not None and (
    subprocess.run([*_NAMESPACE, "mount -t tmpfs none /mnt"], capture_output=True, check=False).returncode == 0
)
_LOOK = (
    "from city_index import health, settings; print(*health.problems(settings.Settings.from_environment()), sep='\\n')"
)


@pytest.mark.skipif(not _HAS_NAMESPACES, reason="needs the right to mount in a namespace of its own")
@pytest.mark.parametrize(
    ("mount", "said", "remedy"),
    [
        ('mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"', "landing cannot be written", "mounted read-only"),
        ('mount -t tmpfs -o size=2m none "$1"', "landing has 2 MB free", "free some space"),
        ('mount -t tmpfs -o size=2m,nr_inodes=50 none "$1"', "more files only", "remove some"),
    ],
)
def test_read_only_folders_and_full_disks_are_named(settings: Settings, mount: str, said: str, remedy: str) -> None:
    looked = subprocess.run(
        [*_NAMESPACE, f'{mount} && shift && exec "$@"', "sh", str(settings.landing), sys.executable, "-c", _LOOK],
        cwd=PROJECT_DIRECTORY,
        env={**os.environ, "CITY_INDEX_HOME": str(settings.home), "PYTHONPATH": str(PROJECT_DIRECTORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    (named,) = [line for line in looked.stdout.splitlines() if said in line] or [looked.stdout]
    assert remedy in named
    assert found(settings) == []
