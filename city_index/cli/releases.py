"""``city-index releases``, ``rollback`` and ``verify``: the kept releases."""

from __future__ import annotations

import click

from city_index.cli.parameters import NAME
from city_index.errors import CityIndexError, UsageError, in_one_line
from city_index.leftovers import remove_leftovers
from city_index.lock import rebuild_lock
from city_index.observability.metrics import write_metrics
from city_index.observability.observer import RunObserver
from city_index.permissions import state_umask
from city_index.progress import SilentReporter
from city_index.releases import store
from city_index.settings import Settings

ROLLED_BACK = "rolled_back"


@click.command()
def releases() -> None:
    """List the kept releases, newest first; the published one is marked."""
    settings = Settings.from_environment()
    current = store.current_release(settings)
    found = store.kept_releases(settings)
    if not found:
        click.echo("no release is kept yet; run `city-index run`")
    for manifest in found:
        mark = "*" if current is not None and manifest.release_id == current.release_id else " "
        click.echo(
            f"{mark} {manifest.release_id}  built {manifest.built_at_utc}  code {manifest.code_version}  "
            f"content {manifest.content_hash[:12]}  {manifest.checks.get('passed', 0)} checks passed"
        )


@click.command()
@click.argument("release_id", type=NAME)
def rollback(release_id: str) -> None:
    """Make an earlier release the published one, atomically.

    The nightly job leaves it in place until inputs or code change.
    """
    settings = Settings.from_environment()
    with state_umask(), rebuild_lock(settings.lock_file, "city-index rollback"):
        observer = RunObserver(settings, "city-index rollback", SilentReporter())
        observer.started()
        try:
            remove_leftovers(settings)
            manifest = store.roll_back(settings, release_id)
        except BaseException as error:
            # Where nothing is rolled back, what a killed run left half published is made whole all the same.
            if isinstance(error, CityIndexError) and store.activation_mark(settings).exists():
                from city_index.session import complete_publication

                complete_publication(settings, observer)
            observer.finished("failed", in_one_line(error), None)
            raise
        observer.published(ROLLED_BACK, manifest)
        observer.finished(ROLLED_BACK, None, None)
        write_metrics(settings)
    click.echo(f"Published release {manifest.release_id}, built {manifest.built_at_utc}")
    click.echo(f"  {settings.published_database}")


@click.command()
@click.argument("release_id", type=NAME, required=False)
def verify(release_id: str | None) -> None:
    """Check every file of a release against its manifest; the published copy by default."""
    settings = Settings.from_environment()
    if release_id is None:
        manifest = store.current_release(settings)
        if manifest is None:
            raise CityIndexError(f"nothing is published in {settings.published}; run `city-index run`")
        found = store.published_faults(settings)
    else:
        manifest = next((m for m in store.kept_releases(settings) if m.release_id == release_id), None)
        if manifest is None:
            store.demand_no_link(settings, release_id)
            raise UsageError(f"there is no release {release_id}; `city-index releases` lists those that are kept")
        found = store.release_faults(settings, manifest) + store.stray_files(settings, manifest)
    for fault in found:
        click.echo(fault)
    if found:
        raise CityIndexError(f"release {manifest.release_id}: {len(found)} faults; run `city-index run` to mend it")
    click.echo(f"release {manifest.release_id}: every file is as its manifest says")
