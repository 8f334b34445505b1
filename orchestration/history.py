"""Dagster's history: the instance under the project's home.

What belongs here: making DAGSTER_HOME, writing down what happened outside a Dagster run, and letting what is old go.

Dagster deletes a run where it is asked to; what it leaves behind then (the file of the run's events, results of checks,
logs) and what belongs to no run is removed here, in the SQLite files that it keeps by default. Where an operator keeps
the history elsewhere, only runs are deleted.
"""

import logging
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from city_index.durability import write_in_one_step
from city_index.errors import in_one_line
from city_index.retention import Pruned, folder_bytes, oldest_kept
from city_index.session import Outcome
from city_index.settings import Settings
from orchestration.defs.releases.assets import PUBLISHED_RELEASE, release_metadata


def prepare_dagster_home(settings: Settings) -> None:
    """Make DAGSTER_HOME with the project's instance settings, unless an operator's own stand there already."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    target = settings.dagster_home / "dagster.yaml"
    if not target.exists():
        write_in_one_step(target, (settings.project_directory / "dagster.yaml").read_text(encoding="utf-8"))


def record_published_release(settings: Settings, outcome: Outcome) -> None:
    """Write the published release into the history, so that the UI and its freshness policy know of it.

    A history that cannot be written is logged and otherwise passed over: the release is out.
    """
    try:
        prepare_dagster_home(settings)
        with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
            instance.report_runless_asset_event(
                dg.AssetMaterialization(PUBLISHED_RELEASE, metadata=release_metadata(settings, outcome))
            )
    except Exception:
        logging.getLogger(__name__).warning("the release could not be written to Dagster's history", exc_info=True)


_IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.MANAGED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

# A run that looks as if it were in progress and began longer ago was killed with everything that could have said so.
_ABANDONED_AFTER = timedelta(days=2)

# The file of a run's events, and the folder of its logs, are named by its id.
_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# How long a statement waits for another process that writes.
_BUSY_SECONDS = 10

# A database is rewritten where this share of it, and so many bytes, are empty.
_EMPTY_SHARE = 0.25
_EMPTY_BYTES = 1 << 20


def prune_history(
    settings: Settings, instance: dg.DagsterInstance | None = None, now: datetime | None = None
) -> Pruned:
    """Let the runs and events go that are older than the settings keep, or more; nothing while a run is in progress.

    What tells of the published release, the newest run and the newest event of each kind stay, however old.

    Args:
        settings: the settings.
        instance: the history; by default the one under the home, which is left alone where there is none.
        now: what time it is, with a time zone; the clock's by default.

    Returns:
        What was removed. Never raises: what cannot be removed now is a problem, and the next run tries again.
    """
    pruned, now = Pruned(), now or datetime.now(UTC)
    try:
        if instance is not None:
            _prune(settings, instance, now, pruned)
        elif (settings.dagster_home / "history").is_dir():
            with dg.DagsterInstance.from_config(str(settings.dagster_home)) as opened:
                _prune(settings, opened, now, pruned)
    except Exception as error:  # a history that cannot be pruned must not fail a run that has published
        pruned.problems.append(f"Dagster's history could not be pruned: {in_one_line(error, 300)}")
    return pruned


def _prune(settings: Settings, instance: dg.DagsterInstance, now: datetime, pruned: Pruned) -> None:
    oldest = oldest_kept(now, settings.history_days)
    records = list(instance.get_run_records())  # the newest first
    if any(
        record.dagster_run.status in _IN_PROGRESS and _utc(record.create_timestamp) > now - _ABANDONED_AFTER
        for record in records
    ):
        return
    needed = {record.dagster_run.run_id for record in records[:1]}
    latest = instance.get_latest_materialization_event(PUBLISHED_RELEASE)
    if latest is not None:
        needed.add(latest.run_id)
    root = Path(instance.root_directory)
    before = _history_bytes(root)
    for number, record in enumerate(records):
        run_id = record.dagster_run.run_id
        is_old = number >= settings.history_runs or _utc(record.create_timestamp) < oldest
        if is_old and run_id not in needed:
            shutil.rmtree(root / "storage" / run_id, ignore_errors=True)
            instance.delete_run(run_id)
            pruned.count("history_runs", 1)
    if (root / "history" / "runs" / "index.db").is_file():
        _remove_files_of_deleted_runs(root, instance)
        _remove_old_logs(root, oldest)
        pruned.count("history_events", _remove_events(root, instance, settings.history_runs, oldest))
        for path in _databases(root):
            _shrink(path)
    pruned.freed_bytes += max(before - _history_bytes(root), 0)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _history_bytes(root: Path) -> int:
    return sum(folder_bytes(root / name) for name in ("history", "schedules", "storage"))


def _databases(root: Path) -> Iterator[Path]:
    """The SQLite files that every run writes to."""
    for name in ("history/runs.db", "history/runs/index.db", "history/runs/.db", "schedules/schedules.db"):
        if (root / name).is_file():
            yield root / name


def _remove_files_of_deleted_runs(root: Path, instance: dg.DagsterInstance) -> None:
    """Remove the files of events, and the logs, of runs that are no longer known, whoever deleted them."""
    files = [path for path in (root / "history" / "runs").iterdir() if _RUN_ID.match(path.name)]
    if (root / "storage").is_dir():
        files += [path for path in (root / "storage").iterdir() if _RUN_ID.fullmatch(path.name)]
    # A run is known before it has a file, so the runs are asked for after the files.
    known = {record.dagster_run.run_id for record in instance.get_run_records()}
    for path in files:
        if path.name[:36] not in known:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _remove_old_logs(root: Path, oldest: datetime) -> None:
    """Remove what schedules and sensors logged too long ago; Dagster keeps a file for each of their ticks."""
    for folder in (root / "storage").glob("*/*/compute_logs"):
        for path in folder.iterdir():
            if path.is_file() and path.stat().st_mtime < oldest.timestamp():
                path.unlink(missing_ok=True)


def _remove_events(root: Path, instance: dg.DagsterInstance, kept: int, oldest: datetime) -> int:
    """Remove events and check results of runs that are no longer known, and old events of no run; gives how many.

    The newest of each asset and kind stays.
    """
    removed = 0
    for path in (root / "history" / "runs" / "index.db", root / "history" / "runs" / ".db"):
        if not path.is_file():
            continue
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection, connection:
            # Nobody writes an event from here on, and a run is known before it has one: none of a new run is lost.
            connection.execute("begin immediate")
            known = [record.dagster_run.run_id for record in instance.get_run_records()]
            connection.execute("create temp table known (run_id text primary key)")
            connection.executemany("insert into known values (?)", [(run_id,) for run_id in known])
            removed += _removed(
                connection,
                """
                delete from event_logs where id in (
                    select id from (
                        select id, run_id, timestamp, row_number() over (
                            partition by run_id = '', asset_key, dagster_event_type, partition order by id desc
                        ) as age
                        from event_logs
                    )
                    where age > 1 and case run_id
                        when '' then age > ? or timestamp < ?
                        else run_id not in (select run_id from known)
                    end
                )
                """,
                (kept, oldest.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")),
            )
            removed += _removed(
                connection,
                """
                delete from asset_check_executions
                where run_id <> '' and run_id not in (select run_id from known) and id not in (
                    select max(id) from asset_check_executions group by asset_key, check_name, partition
                )
                """,
            )
            connection.execute("delete from asset_event_tags where event_id not in (select id from event_logs)")
    return removed


def _removed(connection: sqlite3.Connection, statement: str, parameters: Iterable[object] = ()) -> int:
    return connection.execute(statement, tuple(parameters)).rowcount


def _shrink(path: Path) -> None:
    """Give the empty pages of a database back to the disk, where they are many."""
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
        (page_size,), (pages,), (empty,) = (
            connection.execute(f"pragma {name}").fetchone() for name in ("page_size", "page_count", "freelist_count")
        )
        if empty * page_size >= _EMPTY_BYTES and empty >= _EMPTY_SHARE * pages:
            connection.execute("vacuum")
        connection.execute("pragma wal_checkpoint(truncate)")
