"""``city-index status``: what is published, how fresh it is, and who is rebuilding."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from city_index.errors import CityIndexError, UsageError, in_one_line
from city_index.landing.door import Arrival, RefusedFile, look
from city_index.landing.raw_store import BatchRecord, RawStore
from city_index.last_run import read_last_run
from city_index.lock import lock_holder
from city_index.observability.metrics import exposition, read_state
from city_index.releases import store
from city_index.settings import Settings

Part = TypeVar("Part")

# How much is repeated of what cannot be read.
_SAID = 300

# How many waiting files are named.
_SHOWN_FILES = 5


def age(built_at_utc: str) -> str:
    """How long ago a release was built, in words."""
    seconds = _seconds_since(built_at_utc)
    if seconds < 0:
        return "in the future: the clock of this machine went back"
    if seconds < 3600:
        return f"{seconds / 60:.0f} minutes ago"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} hours ago"
    return f"{seconds / 86400:.0f} days ago"


def _seconds_since(moment_utc: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment_utc)).total_seconds()


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.option("--prometheus", is_flag=True, help="As metrics in Prometheus' text format.")
def status(as_json: bool, prometheus: bool) -> None:
    """Last release, freshness, its checks, and who holds the rebuild lock."""
    settings = Settings.from_environment()
    if as_json and prometheus:
        raise UsageError("--json and --prometheus were both given; choose one")
    if as_json:
        click.echo(json.dumps(status_record(settings), ensure_ascii=False, indent=1))
    elif prometheus:
        click.echo(exposition(read_state(settings), is_printed=True), nl=False)
    else:
        _say_status(settings)


def status_record(settings: Settings) -> dict[str, Any]:
    """What `city-index status` says, for programs; null where there is none, or it cannot be read, see ``errors``."""
    current, wanted = store.current_release(settings), store.wanted_release(settings)
    errors: list[str] = []
    landing = _unless_unreadable(lambda: _landing(settings), errors.append)
    unpublished = _unless_unreadable(lambda: _unpublished(settings), errors.append)
    holder = lock_holder(settings.lock_file)
    last_run = read_last_run(settings)
    return {
        "published": None
        if current is None
        else {
            "release_id": current.release_id,
            "built_at_utc": current.built_at_utc,
            "age_seconds": round(_seconds_since(current.built_at_utc)),
            "code_version": current.code_version,
            "database": str(settings.published_database),
            "tables": current.tables,
            "checks": current.checks,
            "notice": current.notice,
            "faults": store.published_faults(settings),
        },
        "wanted_release_id": None if wanted is None else wanted.release_id,
        "kept_release_ids": [manifest.release_id for manifest in store.kept_releases(settings)],
        "landing": None
        if landing is None
        else {
            "waiting": [arrival.name for arrival in landing[0]],
            "refused": [
                {"file": file.name, "kind": file.kind, "reason": file.reason, "detail": file.detail}
                for file in landing[1]
            ],
        },
        "quarantine": [
            {"kind": kind, "reason": reason, "open": int(count), "ever": int(total)}
            for kind, reason, count, total in _quarantine_rows(settings) or []
        ],
        "unpublished_batches": None if unpublished is None else [asdict(record) for record in unpublished],
        "last_run": None if last_run is None else asdict(last_run),
        "rebuild_holder": holder,
        "errors": errors,
    }


def _unless_unreadable(look: Callable[[], Part], say: Callable[[str], object]) -> Part | None:
    """What a look at the home gives; None where something there cannot be read, which is said."""
    try:
        return look()
    except (CityIndexError, OSError) as error:
        say(in_one_line(error, _SAID))
        return None


def _say_unreadable(sentence: str) -> None:
    click.echo(f"unreadable  {sentence}")


def _say_status(settings: Settings) -> None:
    current = store.current_release(settings)
    if current is None:
        click.echo("published   nothing yet; run `city-index run`")
    else:
        releases = store.kept_releases(settings)
        click.echo(
            f"published   release {current.release_id}, built {current.built_at_utc} ({age(current.built_at_utc)})"
        )
        click.echo(f"database    {settings.published_database}")
        click.echo(f"code        {current.code_version}")
        click.echo(f"tables      {len(current.tables)}, {sum(current.tables.values()):,} rows")
        click.echo("checks      " + ", ".join(f"{number} {name}" for name, number in sorted(current.checks.items())))
        wanted = store.wanted_release(settings)
        if wanted is not None and wanted.release_id != current.release_id:
            click.echo(f"unfinished  release {wanted.release_id} ought to be published; run `city-index run`")
        elif releases and releases[0].release_id != current.release_id:
            click.echo(f"rolled back from release {releases[0].release_id}, which is newer")
        for fault in store.published_faults(settings):
            click.echo(f"damaged     {fault}; run `city-index run` to put it back")
        if current.notice:
            click.echo(f"notice      {current.notice}")
    _say_landing(settings)
    last_run = read_last_run(settings)
    if last_run is not None:
        reason = f": {last_run.reason}" if last_run.reason else ""
        click.echo(f"last run    {last_run.outcome}, {age(last_run.ended_at_utc)}, by {last_run.what}{reason}")
    holder = lock_holder(settings.lock_file)
    click.echo(f"rebuild     {'running: ' + holder if holder else 'not running'}")


def _say_landing(settings: Settings) -> None:
    """What waits in the landing folder, what it refused, and what the published release has in quarantine."""
    waiting, refused = _unless_unreadable(lambda: _landing(settings), _say_unreadable) or ([], [])
    if waiting:
        names = ", ".join(arrival.name for arrival in waiting[:_SHOWN_FILES])
        more = f" and {len(waiting) - _SHOWN_FILES} more" if len(waiting) > _SHOWN_FILES else ""
        click.echo(f"landing     {_files(len(waiting))} waiting for the next run: {names}{more}")
    for file in refused:
        click.echo(f"refused     {file.sentence()}")
    for line in _quarantine_lines(settings):
        click.echo(line)
    _say_unpublished(settings)


def _landing(settings: Settings) -> tuple[list[Arrival], list[RefusedFile]]:
    """The files that wait in the landing folder, and those that are refused."""
    arrivals, refused = look(settings)
    known = {file.name: file for file in RawStore(settings).refused_files()}
    refused += [known[arrival.name] for arrival in arrivals if arrival.name in known]
    return [arrival for arrival in arrivals if arrival.name not in known], refused


def _say_unpublished(settings: Settings) -> None:
    for record in _unless_unreadable(lambda: _unpublished(settings), _say_unreadable) or []:
        click.echo(
            f"unpublished {record.kind}/{record.file_name}: {record.accepted_count:,} rows accepted, "
            f"{record.quarantined_count:,} quarantined, batch {record.batch_id}"
        )


def _unpublished(settings: Settings) -> list[BatchRecord]:
    """The batches that no release holds yet, as where the run that landed them failed later."""
    published = {batch_id for (batch_id,) in _published_rows(settings, "select batch_id from meta_batches") or []}
    return [record for record in RawStore(settings).records() if record.batch_id not in published]


def _files(count: int) -> str:
    return f"{count} file{'s' if count != 1 else ''}"


def _published_rows(settings: Settings, query: str) -> list[tuple] | None:
    """The rows of a query of the published database; None where there is none, or none that has the table."""
    import duckdb

    from city_index.database import open_database

    try:
        with open_database(settings.published_database) as connection:
            return connection.execute(query).fetchall()
    except duckdb.Error:
        return None


def _quarantine_rows(settings: Settings) -> list[tuple] | None:
    """Kind, reason, rows that still stand and all rows that were ever quarantined; None where nothing is published."""
    return _published_rows(
        settings,
        "select kind, reason, sum(open_count), sum(quarantined_count) from meta_quarantine_reasons "
        "group by all order by kind, 3 desc, reason",
    )


def _quarantine_lines(settings: Settings) -> list[str]:
    rows = _quarantine_rows(settings)
    if rows is None:
        return []
    open_rows = [(kind, reason, int(count)) for kind, reason, count, _all in rows if count]
    resolved = sum(int(total) - int(count) for _kind, _reason, count, total in rows)
    lines = [f"quarantine  {kind}: {reason}: {count:,} rows" for kind, reason, count in open_rows]
    if resolved:
        lines.append(f"quarantine  {resolved:,} further rows were corrected since")
    if open_rows:
        lines.append("            table meta_quarantine names each row; correct the rows and land them again")
    return lines or ["quarantine  empty"]
