"""``city-index status``: what is published, how fresh it is, and who is rebuilding."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from city_index.landing.door import look
from city_index.landing.raw_store import RawStore
from city_index.last_run import read_last_run
from city_index.lock import lock_holder
from city_index.releases import store
from city_index.settings import Settings

# How many waiting files are named.
_SHOWN_FILES = 5


def age(built_at_utc: str) -> str:
    """How long ago a release was built, in words."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(built_at_utc)).total_seconds()
    if seconds < 0:
        return "in the future: the clock of this machine went back"
    if seconds < 3600:
        return f"{seconds / 60:.0f} minutes ago"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} hours ago"
    return f"{seconds / 86400:.0f} days ago"


@click.command()
def status() -> None:
    """Last release, freshness, its checks, and who holds the rebuild lock."""
    settings = Settings.from_environment()
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
    arrivals, refused = look(settings)
    known = {file.name: file for file in RawStore(settings).refused_files()}
    refused += [known[arrival.name] for arrival in arrivals if arrival.name in known]
    waiting = [arrival for arrival in arrivals if arrival.name not in known]
    if waiting:
        names = ", ".join(arrival.name for arrival in waiting[:_SHOWN_FILES])
        more = f" and {len(waiting) - _SHOWN_FILES} more" if len(waiting) > _SHOWN_FILES else ""
        click.echo(f"landing     {_files(len(waiting))} waiting for the next run: {names}{more}")
    for file in refused:
        click.echo(f"refused     {file.sentence()}")
    for line in _quarantine_lines(settings):
        click.echo(line)
    _say_unpublished(settings)


def _say_unpublished(settings: Settings) -> None:
    """The batches that no release holds yet, as where the run that landed them failed later."""
    published = {batch_id for (batch_id,) in _published_rows(settings, "select batch_id from meta_batches") or []}
    for record in RawStore(settings).records():
        if record.batch_id not in published:
            click.echo(
                f"unpublished {record.kind}/{record.file_name}: {record.accepted_count:,} rows accepted, "
                f"{record.quarantined_count:,} quarantined, batch {record.batch_id}"
            )


def _files(count: int) -> str:
    return f"{count} file{'s' if count != 1 else ''}"


def _published_rows(settings: Settings, query: str) -> list[tuple] | None:
    """The rows of a query of the published database; None where there is none, or none that has the table."""
    import duckdb

    try:
        with duckdb.connect(str(settings.published_database), read_only=True) as connection:
            return connection.execute(query).fetchall()
    except duckdb.Error:
        return None


def _quarantine_lines(settings: Settings) -> list[str]:
    rows = _published_rows(
        settings,
        "select kind, reason, sum(open_count), sum(quarantined_count) from meta_quarantine_reasons "
        "group by all order by kind, 3 desc, reason",
    )
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
