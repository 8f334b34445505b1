"""A process of the product with a fault at a stage: ``python -m reliability.faults.child [FAULT]... COMMAND...``.

The commands are those of the console script, with its own messages and exit codes, and some that do a part of a night:
``land`` (without Great Expectations), ``publish NUMBER`` (a small release, kept and published), ``finish`` (assemble,
report, exports and publish of the build that stands in the warehouse) and ``hold`` (the rebuild lock, until a line
comes in). A fault sets in when its stage begins.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from city_index import cli
from city_index.cli import run as run_command
from city_index.landing.landing import Landing
from city_index.leftovers import remove_leftovers
from city_index.lock import rebuild_lock
from city_index.progress import SilentReporter
from city_index.releases import store
from city_index.releases.exporter import Exporter
from city_index.session import rebuild_session
from city_index.settings import Settings
from reliability.killing.homes import prepare_release


class FaultyReporter(SilentReporter):
    """Lets the fault happen when its stage begins."""

    def __init__(self, stage: str | None, happen: Callable[[], None]) -> None:
        self._stage = stage
        self._happen = happen

    def stage(self, name: str, total: int | None = None) -> None:
        """A stage begins; of landings, only that it is one counts."""
        if self._stage is not None and name.startswith(self._stage):
            self._stage = None
            self._happen()


def limit_file_size(size: int) -> None:
    """From now on no file of this process or its children grows beyond so many bytes, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def fill_disk(filler: Path, left: int) -> None:
    """Fill the disk of a file with that file but for so many bytes."""
    size = os.statvfs(filler.parent)
    with filler.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, max(size.f_bavail * size.f_frsize - left, 1))


def _add_commands(reporter: FaultyReporter) -> None:
    @click.command()
    @click.option("--accept-removals", is_flag=True)
    def land(accept_removals: bool) -> None:
        settings = Settings.from_environment()
        with rebuild_lock(settings.lock_file, "trial"):
            remove_leftovers(settings)
            check = lambda batches: reporter.stage("commit") or []  # noqa: E731
            outcome = Landing(settings, reporter, check, accept_removals).land()
            for sentence in outcome.sentences():
                click.echo(sentence)

    @click.command()
    @click.argument("number", type=int)
    def publish(number: int) -> None:
        settings = Settings.from_environment()
        with rebuild_lock(settings.lock_file, "trial"):
            remove_leftovers(settings)
            sequences = {manifest.sequence for manifest in store.kept_releases(settings)}
            if number not in sequences:
                reporter.stage("assemble")
                folder, manifest = prepare_release(settings, number)
                reporter.stage("keep")
                store.keep(settings, folder, manifest.release_id)
            reporter.stage("publish")
            store.activate(settings, store.wanted_release(settings))
            store.prune(settings)

    @click.command()
    def finish() -> None:
        settings = Settings.from_environment()
        with rebuild_session(settings, "trial", reporter) as session:
            session.land()
            # The build that stands there is taken for one of this run.
            session._started = session.build
            session.assemble()
            session.write_report()
            session.write_exports()
            session.publish()

    @click.command()
    def hold() -> None:
        settings = Settings.from_environment()
        with rebuild_lock(settings.lock_file, "trial"):
            print("held", flush=True)
            sys.stdin.readline()

    for command in (land, publish, finish, hold):
        cli.city_index.add_command(command)


def main() -> None:
    """Run a command with a fault."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--at")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--fill", type=Path)
    parser.add_argument("--leave", type=int, default=0)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()

    def happen() -> None:
        if arguments.limit is not None:
            limit_file_size(arguments.limit)
        if arguments.fill is not None:
            fill_disk(arguments.fill, arguments.leave)

    reporter = FaultyReporter(None if arguments.at == "exports" else arguments.at, happen)
    if arguments.at is None:
        happen()
    if arguments.at == "exports":  # they are begun when the release is assembled, and their stage is for waiting
        begin = Exporter.start

        def begin_with_fault(*given: Any) -> None:
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            happen()
            begin(*given)
            # Their helper has the limit; the report, which is drawn meanwhile, is none of theirs.
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

        Exporter.start = begin_with_fault
    _add_commands(reporter)
    run_command.reporter_for_stdout = lambda *_format: reporter
    sys.argv = ["city-index", *arguments.command]
    cli.main()


if __name__ == "__main__":
    main()
