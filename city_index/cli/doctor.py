"""``city-index doctor``: what this installation is made of, what is wrong with it and what to do."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import click

from city_index import __version__
from city_index.errors import CityIndexError
from city_index.health import PACKAGES, problems
from city_index.lock import lock_holder
from city_index.settings import Settings


@click.command()
def doctor() -> None:
    """Versions, paths, disk, permissions, lock and the state of the releases; says what to do."""
    settings = Settings.from_environment()
    click.echo(f"city-index  {__version__}, Python {platform.python_version()}")
    for package in PACKAGES:
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
