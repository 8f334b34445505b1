"""``city-index doctor``: what this installation is made of, what is wrong with it and what to do."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from city_index import __version__
from city_index.errors import CityIndexError
from city_index.landing.raw_store import RawStore
from city_index.last_run import read_last_run
from city_index.lock import lock_holder
from city_index.releases import store
from city_index.releases.manifest import MANIFEST_NAME
from city_index.settings import Settings

_PACKAGES = ("duckdb", "dbt-core", "dbt-duckdb", "dagster", "dagster-dbt", "great-expectations")
_LEAST_FREE_BYTES = 1 << 30
_STALE_HOURS = 36


def problems(settings: Settings) -> Iterator[str]:
    """What is wrong, one sentence each with what to do; none where all is well."""
    for package, pinned in sorted(_pins(settings.project_directory / "requirements.lock").items()):
        if package in _PACKAGES:
            try:
                installed = version(package)
            except PackageNotFoundError:
                yield f"{package} is not installed; run `make setup`"
                continue
            if installed != pinned:
                yield f"{package} is {installed} and the lock pins {pinned}; run `make setup`"
    for path in (
        settings.home,
        settings.landing,
        settings.raw,
        settings.quarantine,
        settings.published,
        settings.releases,
        settings.warehouse,
        settings.dagster_home,
    ):
        existing = next(parent for parent in (path, *path.parents) if parent.exists())
        if not os.access(existing, os.W_OK | os.X_OK):
            yield f"{existing} cannot be written; give this user the permission, or set CITY_INDEX_HOME elsewhere"
            return
        if path.exists() and not path.is_dir():
            yield f"{path} is not a folder; move it away"
            return
    existing = next(parent for parent in (settings.home, *settings.home.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < _LEAST_FREE_BYTES:
        yield f"{existing} has {free / 1e6:,.0f} MB free; free some space, or keep fewer releases"
    if settings.published.is_dir() and any(settings.published.iterdir()):
        manifest = store.current_release(settings)
        if manifest is None:
            yield f"{settings.published / MANIFEST_NAME} is missing or cannot be read; run `city-index run`"
        else:
            if datetime.fromisoformat(manifest.built_at_utc) > datetime.now(UTC):
                yield "the published release was built in the future; set the clock of this machine"
            wanted = store.wanted_release(settings)
            if wanted is not None and wanted.release_id != manifest.release_id:
                yield f"release {wanted.release_id} is kept and ought to be published; run `city-index run`"
    try:
        RawStore(settings).records()
    except CityIndexError as error:
        yield str(error)
    yield from _run_problems(settings)
    for fault in store.published_faults(settings):
        yield f"{fault}; run `city-index run` to put it back"
    for folder in store.unreadable_releases(settings):
        yield f"{folder} has no manifest of its own that can be read; move it away or delete it"
    for manifest in store.kept_releases(settings):
        for fault in store.release_faults(settings, manifest):
            yield f"{fault}; the kept release {manifest.release_id} can no longer be rolled back to"


def _run_problems(settings: Settings) -> Iterator[str]:
    last_run = read_last_run(settings)
    if last_run is None:
        return
    if last_run.outcome == "failed":
        yield f"the last rebuild failed at {last_run.ended_at_utc}: {last_run.reason}"
    succeeded = last_run.succeeded_at_utc
    if settings.environment == "prod" and (succeeded is None or _hours_since(succeeded) > _STALE_HOURS):
        yield f"no rebuild has succeeded for {_STALE_HOURS} hours; see whether the schedule is running"


def _hours_since(moment_utc: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment_utc)).total_seconds() / 3600


def _pins(lock_file: Path) -> dict[str, str]:
    """The pinned version of each package, but those pinned per Python; empty where there is no lock file."""
    pins: dict[str, str] = {}
    if lock_file.is_file():
        for line in lock_file.read_text(encoding="utf-8").splitlines():
            name, separator, rest = line.partition("==")
            if separator and not line.startswith((" ", "#")) and ";" not in rest:
                pins[name.strip()] = rest.split()[0]
    return pins


@click.command()
def doctor() -> None:
    """Versions, paths, disk, permissions, lock and the state of the releases; says what to do."""
    settings = Settings.from_environment()
    click.echo(f"city-index  {__version__}, Python {platform.python_version()}")
    for package in _PACKAGES:
        try:
            click.echo(f"  {package} {version(package)}")
        except PackageNotFoundError:
            click.echo(f"  {package} is missing")
    click.echo(f"project     {settings.project_directory}")
    click.echo(f"home        {settings.home} (environment {settings.environment})")
    holder = lock_holder(settings.lock_file)
    click.echo(f"rebuild     {'running: ' + holder if holder else 'not running'}")
    found = list(problems(settings))
    for problem in found:
        click.echo(f"problem     {problem}")
    if found:
        raise CityIndexError(f"{len(found)} problems found; each line above says what to do")
    click.echo("all well")
