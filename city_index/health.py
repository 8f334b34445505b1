"""What is wrong with a home, and what to do about it: one sentence for each fault that is found.

What belongs here: looking. What does not: printing, which is the command's, and mending, which is the next run's or a
person's. Looking changes nothing, needs no lock, and imports neither dbt, Dagster nor Great Expectations.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import duckdb

from city_index.builds import is_audited, latest_build
from city_index.contracts import KINDS
from city_index.database import open_database
from city_index.errors import CityIndexError, in_one_line
from city_index.landing.ledger import Ledger
from city_index.landing.raw_store import RawStore
from city_index.last_run import read_last_run
from city_index.lock import lock_holder
from city_index.permissions import writable_by_others
from city_index.releases import store
from city_index.releases.manifest import MANIFEST_NAME
from city_index.settings import Settings
from city_index.temporary import is_no_own_folder

PACKAGES = ("duckdb", "dbt-core", "dbt-duckdb", "dagster", "dagster-dbt", "great-expectations")
_LEAST_FREE_BYTES = 1 << 30
_LEAST_FREE_FILES = 10_000
_STALE_HOURS = 36

# A rebuild takes minutes; one that takes this long hangs.
_LONGEST_REBUILD = timedelta(hours=3)

# Dagster notes that a run has started a little before the run takes the rebuild lock.
_START_GRACE = timedelta(minutes=2)

# Its daemon says every half minute that it lives.
_DAEMON_GRACE = timedelta(minutes=10)

# One that was silent for longer is used no more: cron or a timer runs the nights of this home.
_DAEMON_USED = timedelta(days=3)

# A clock is set by small steps all the time; these do not count.
_CLOCK_GRACE = timedelta(minutes=5)

_SHOWN = 3
_SAID = 120
_RUN = "run `city-index run`"


def problems(settings: Settings) -> Iterator[str]:
    """What is wrong, one sentence each with what to do; none where all is well."""
    yield from _packages(settings)
    broken = list(_folders(settings))
    yield from broken
    if not settings.home.is_dir():
        return
    is_running = lock_holder(settings.lock_file) is not None
    looks = [_open_to_all, _disks, _clock, _lock, _last_run, _dagster, _published, _kept_releases, _refused_files]
    if not is_running:
        # What a rebuild is working on is no leftover, and neither whole nor broken.
        looks += [_landed, _leftovers, _build]
    for look in looks:
        try:
            yield from look(settings)
        except OSError as error:
            yield f"{error.filename or settings.home} cannot be read ({error.strerror}); mend that and look again"


def _packages(settings: Settings) -> Iterator[str]:
    for package, pinned in sorted(_pins(settings.project_directory / "requirements.lock").items()):
        if package in PACKAGES:
            try:
                installed = version(package)
            except PackageNotFoundError:
                yield f"{package} is not installed; run `make setup`"
                continue
            if installed != pinned:
                yield f"{package} is {installed} and the lock pins {pinned}; run `make setup`"


def _pins(lock_file: Path) -> dict[str, str]:
    """The pinned version of each package, but those pinned per Python; empty where there is no lock file."""
    pins: dict[str, str] = {}
    if lock_file.is_file():
        for line in lock_file.read_text(encoding="utf-8").splitlines():
            name, separator, rest = line.partition("==")
            if separator and not line.startswith((" ", "#")) and ";" not in rest:
                pins[name.strip()] = rest.split()[0]
    return pins


def _own_to_a_run(settings: Settings) -> list[Path]:
    """The folders that each run makes and removes."""
    return [settings.temporary, settings.landing_work]


def _own_folders(settings: Settings) -> list[Path]:
    roots = [
        settings.landing,
        settings.raw,
        settings.quarantine,
        settings.archive,
        settings.let_go,
        settings.published,
        settings.releases,
        settings.warehouse,
        *_own_to_a_run(settings),
        settings.logs,
        settings.dagster_home,
    ]
    kinds = [root / kind for root in (settings.landing, settings.raw, settings.quarantine) for kind in KINDS]
    published = [settings.published / name for name in ("parquet", "csv", "report")]
    return [settings.home, *roots, *kinds, *published]


def _has_run(settings: Settings) -> bool:
    """Whether a rebuild has ever gone through in this home."""
    return settings.landed_files.exists() or read_last_run(settings) is not None


def _open_to_all(settings: Settings) -> Iterator[str]:
    """What everybody on the machine may write."""
    found = writable_by_others(settings)
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        yield f"{found[0]}{more} can be written by everybody; take that away with chmod o-w"


def _folders(settings: Settings) -> Iterator[str]:
    """Folders that cannot be written, are no folders, or have vanished."""
    for path in _own_folders(settings):
        if os.path.lexists(path) and not path.is_dir():
            yield f"{path} is not a folder; move it away"
        elif path in _own_to_a_run(settings) and is_no_own_folder(path):
            yield f"{path} is a link, and a run needs a folder there that is its own; move it away"
        elif path.is_dir() and not os.access(path, os.W_OK | os.X_OK):
            yield (
                f"{path} cannot be written; give this user the permission, see whether its disk is mounted read-only, "
                "or set CITY_INDEX_HOME elsewhere"
            )
    if not settings.home.exists():
        existing = next(parent for parent in settings.home.parents if parent.exists())
        if not os.access(existing, os.W_OK | os.X_OK):
            yield f"{existing} cannot be written; give this user the permission, or set CITY_INDEX_HOME elsewhere"
        return
    if _has_run(settings):
        for path in (settings.landing, *(settings.landing / kind for kind in KINDS)):
            if not os.path.lexists(path):
                yield f"{path} is missing, so files that are dropped there are lost; {_RUN}, which makes it anew"
                break
        for path in (settings.published, settings.releases):
            if not os.path.lexists(path):
                yield f"{path} is missing; mount or restore it, or {_RUN}, which makes it anew"


def _disks(settings: Settings) -> Iterator[str]:
    seen = set()
    for path in _own_folders(settings):
        if not path.is_dir() or path.stat().st_dev in seen:
            continue
        seen.add(path.stat().st_dev)
        free = shutil.disk_usage(path).free
        if free < _LEAST_FREE_BYTES:
            yield (
                f"the disk of {path} has {free / 1e6:,.0f} MB free; free some space: empty {settings.archive}, or keep "
                "fewer releases with CITY_INDEX_RELEASES_KEPT"
            )
        of_disk = os.statvfs(path)
        if of_disk.f_files and of_disk.f_favail < _LEAST_FREE_FILES:
            yield f"the disk of {path} has room for {of_disk.f_favail:,} more files only; remove some"


def _clock(settings: Settings) -> Iterator[str]:
    """What lies in the future: the clock has gone back since, or was wrong then."""
    latest = datetime.now(UTC) + _CLOCK_GRACE
    moments = [(f"release {m.release_id} was built", m.built_at_utc) for m in store.kept_releases(settings)]
    current, last_run = store.current_release(settings), read_last_run(settings)
    if current is not None:
        moments.insert(0, ("the published release was built", current.built_at_utc))
    if last_run is not None:
        moments.insert(0, ("the last run ended", last_run.ended_at_utc))
    future = [f"{what} at {moment}" for what, moment in moments if datetime.fromisoformat(moment) > latest]
    if future:
        yield (
            f"{future[0]}, which is in the future; set the clock of this machine. Runs go on as they should: releases "
            "and batches are ordered by number, not by time"
        )


def _lock(settings: Settings) -> Iterator[str]:
    holder = lock_holder(settings.lock_file)
    if holder is None:
        return
    since = holder.rpartition("since ")[2]
    try:
        began = datetime.fromisoformat(since)
    except ValueError:
        return
    if began.tzinfo is not None and datetime.now(UTC) - began > _LONGEST_REBUILD:
        yield f"a rebuild has been running for longer than it should: {holder}; if it hangs, end that process"


def _last_run(settings: Settings) -> Iterator[str]:
    record = settings.home / "last_run.json"
    last_run = read_last_run(settings)
    if last_run is None:
        if record.exists():
            yield f"{record} cannot be read; {_RUN}, which writes it anew"
        return
    if last_run.outcome == "failed":
        yield f"the last rebuild failed at {last_run.ended_at_utc}: {last_run.reason}; mend that and {_RUN}"
    succeeded = last_run.succeeded_at_utc
    if settings.environment == "prod" and (succeeded is None or _hours_since(succeeded) > _STALE_HOURS):
        yield f"no rebuild has succeeded for {_STALE_HOURS} hours; see whether the schedule is running"


def _hours_since(moment_utc: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment_utc)).total_seconds() / 3600


def _published(settings: Settings) -> Iterator[str]:
    if settings.published.is_dir() and any(settings.published.iterdir()):
        manifest = store.current_release(settings)
        if manifest is None:
            yield f"{settings.published / MANIFEST_NAME} is missing or cannot be read; {_RUN} to put it back"
    manifest, wanted = store.current_release(settings), store.wanted_release(settings)
    if wanted is not None and (manifest is None or wanted.release_id != manifest.release_id):
        yield f"release {wanted.release_id} is kept and ought to be published; {_RUN}"
    for fault in store.published_faults(settings):
        yield f"{fault}; {_RUN} to put it back"
    rollback = settings.home / "rollback.json"
    if rollback.exists():
        try:
            is_readable = isinstance(json.loads(rollback.read_text(encoding="utf-8")), dict)
        except ValueError:
            is_readable = False
        if not is_readable:
            yield (
                f"{rollback} cannot be read, so what is published stays; delete it, and the next run publishes the "
                "newest release"
            )


def _kept_releases(settings: Settings) -> Iterator[str]:
    for folder in store.unreadable_releases(settings):
        yield f"{folder} has no manifest of its own that can be read; restore that, or move the folder away"
    for manifest in store.kept_releases(settings):
        found = store.release_faults(settings, manifest)
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            yield (
                f"{found[0]}{more}; the kept release {manifest.release_id} can no longer be rolled back to: restore "
                f"it, or delete its folder and {_RUN}"
            )


def _landed(settings: Settings) -> Iterator[str]:
    ledger = Ledger(settings)
    try:
        if ledger.has_change():
            yield f"a landing was cut short while it moved its files; {_RUN}, which completes or undoes that"
        for fault in ledger.faults():
            yield fault.sentence()
        if not ledger.exists:
            RawStore(settings).records()
    except CityIndexError as error:
        yield str(error)


def _refused_files(settings: Settings) -> Iterator[str]:
    try:
        RawStore(settings).refused_files()
    except CityIndexError as error:
        yield str(error)


def _leftovers(settings: Settings) -> Iterator[str]:
    found = [
        *store.half_releases(settings),
        *settings.published.rglob(".*.publishing"),
        *(path for path in (store.activation_mark(settings),) if path.exists()),
        *settings.home.glob(".*.tmp"),
        *settings.dagster_home.glob(".*.tmp"),
        *(path for path in _own_to_a_run(settings) if path.exists() and not is_no_own_folder(path)),
        *settings.warehouse.glob(".parsed-*"),
    ]
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        names = ", ".join(str(path) for path in found[:_SHOWN])
        yield f"a run was cut short and left {names}{more}; {_RUN}, which clears up"


def _build(settings: Settings) -> Iterator[str]:
    """A build that is not what was checked: it is never published, and `city-index diff` compares with it."""
    build = latest_build(settings)
    if build is None:
        description = settings.warehouse / "build" / "build.json"
        if description.exists():
            yield f"{description} cannot be read; {_RUN}, which builds anew"
        return
    if not build.database.is_file():
        return
    if build.audited_database.is_file() and not is_audited(build):
        yield f"{build.database} was changed after it had been checked; {_RUN}, which builds anew"
        return
    try:
        with open_database(build.database):
            pass
    except duckdb.Error as error:
        yield f"{build.database} cannot be opened ({in_one_line(error, _SAID)}); {_RUN}, which builds anew"


def _dagster(settings: Settings) -> Iterator[str]:
    """Runs that Dagster takes for running although no process works on them, and a daemon that went silent."""
    database = settings.dagster_home / "history" / "runs.db"
    if not database.is_file():
        return
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=2)) as connection:
            runs = connection.execute(
                "select run_id, status, coalesce(start_time, strftime('%s', create_timestamp)) from runs "
                "where status in ('QUEUED', 'STARTING', 'STARTED', 'CANCELING')"
            ).fetchall()
            (heard,) = connection.execute("select max(timestamp) from daemon_heartbeats").fetchone()
    except sqlite3.Error as error:
        yield (
            f"Dagster's history {database} cannot be read ({error}); it holds nothing of the index: stop Dagster, "
            "move it away, and start Dagster again"
        )
        return
    now = datetime.now(UTC)
    silence = None if heard is None else now - datetime.fromisoformat(heard).replace(tzinfo=UTC)
    is_silent = silence is None or silence > _DAEMON_GRACE
    old = [
        (run_id, status)
        for run_id, status, started in runs
        if now - datetime.fromtimestamp(float(started), UTC) > _START_GRACE
    ]
    started = [run_id for run_id, status in old if status != "QUEUED"]
    if started and lock_holder(settings.lock_file) is None:
        remedy = (
            "start Dagster again (`make dev`), whose daemon ends it and starts it once more"
            if is_silent
            else "Dagster's daemon ends it within minutes and starts it once more"
        )
        if not _looks_after_processes(settings):
            remedy += (
                f"; that takes two hours unless {settings.dagster_home / 'dagster.yaml'} has the run_launcher of the "
                "project's own dagster.yaml, which homes from before lack: put it there"
            )
        yield f"Dagster takes run {started[0][:8]} for running, and no process works on it; {remedy}"
    waiting = len(old) - len(started)
    if is_silent and (waiting or (settings.environment == "prod" and silence is not None and silence < _DAEMON_USED)):
        said = "never" if heard is None else f"at {heard[:19]} UTC"
        runs_wait = f", and {waiting} runs wait for it" if waiting else ""
        yield f"Dagster's daemon was last heard {said}{runs_wait}; start it (`make dev`, or the service)"

    if silence is not None and silence < _DAEMON_USED:
        yield from _dagster_settings(settings)


def _dagster_settings(settings: Settings) -> Iterator[str]:
    """What the settings of Dagster in this home lack, where they were copied from an older version of the project."""
    import yaml

    path = settings.dagster_home / "dagster.yaml"
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        monitoring = found.get("run_monitoring") or {}
        lacking = [name for name in ("run_launcher", "retention") if name not in found]
        lacking += ["run_monitoring: poll_interval_seconds"] if "poll_interval_seconds" not in monitoring else []
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError, TypeError, yaml.YAMLError) as error:
        yield f"{path} cannot be read ({in_one_line(error, _SAID)}); delete it, and the next run writes it anew"
        return
    if lacking:
        yield (
            f"{path} is older than this version and lacks {', '.join(lacking)}; take them over from "
            f"{settings.project_directory / 'dagster.yaml'} and start Dagster again"
        )


def _looks_after_processes(settings: Settings) -> bool:
    """Whether Dagster's settings name the launcher that can say whether a run's process lives."""
    try:
        return "LocalRunLauncher" in (settings.dagster_home / "dagster.yaml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
