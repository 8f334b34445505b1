"""The process that is killed: ``python -m reliability.killing.child HOME KILL_AT ACTION ARGUMENT...``.

It does one thing of the product on a home, ends itself with SIGKILL at the step KILL_AT, or at none where that is 0,
and otherwise prints how many steps it took. What belongs here: each action, made of the product's own calls in the
order of a rebuild. Without a kill the same action is the next run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from city_index.cli import main as command_line
from city_index.errors import RebuildRunning
from city_index.landing import raw_store
from city_index.landing.landing import Landing
from city_index.leftovers import remove_leftovers
from city_index.lock import rebuild_lock
from city_index.progress import SilentReporter
from city_index.releases import store
from city_index.releases.manifest import list_files, write_manifest
from city_index.settings import Settings
from city_index.temporary import temporary_files_in
from reliability.killing.homes import assemble_release, prepare_release, settings_of
from reliability.killing.steps import Steps

RELEASES_KEPT = 2

# So few files of a kind are merged already, so that merging is killed too.
_MERGED_FROM = 4


def _land(settings: Settings, steps: Steps) -> None:
    """Land what lies there, as a rebuild does; the gate is tried by whole runs."""
    raw_store.COMPACT_FROM = _MERGED_FROM
    Landing(settings, SilentReporter(), lambda batches: []).land()


def _publish(settings: Settings, steps: Steps, sequence: str) -> None:
    """Keep and activate a prepared release, or complete what an earlier run began; then let old ones go."""
    releases = store.kept_releases(settings)
    if releases and releases[0].sequence >= int(sequence):
        store.publish_wanted(settings)
    else:
        with steps.uncounted():
            folder, manifest = prepare_release(settings, int(sequence))
        store.keep(settings, folder, manifest.release_id)
        store.activate(settings, manifest)
    store.prune(settings)


def _assemble(settings: Settings, steps: Steps, sequence: str) -> None:
    """Assemble a release from a small build and publish it, or complete what an earlier run began."""
    releases = store.kept_releases(settings)
    if releases and releases[0].sequence >= int(sequence):
        store.publish_wanted(settings)
    else:
        folder, manifest = assemble_release(settings, int(sequence))
        manifest.files.update(list_files(folder))
        write_manifest(folder, manifest)
        store.keep(settings, folder, manifest.release_id)
        store.activate(settings, manifest)
    store.prune(settings)


def _restore(settings: Settings, steps: Steps) -> None:
    """See that the wanted release is the published one, whole."""
    store.publish_wanted(settings)


# What is done under the rebuild lock, after clearing up, as in every rebuild.
_UNDER_THE_LOCK: dict[str, Callable[..., None]] = {
    "land": _land,
    "publish": _publish,
    "assemble": _assemble,
    "restore": _restore,
}


def _do(settings: Settings, steps: Steps, action: str, arguments: list[str]) -> None:
    if action in _UNDER_THE_LOCK:
        try:
            with rebuild_lock(settings.lock_file, action):
                remove_leftovers(settings)
                with temporary_files_in(settings.temporary):
                    _UNDER_THE_LOCK[action](settings, steps, *arguments)
        except RebuildRunning as error:
            raise SystemExit(error.exit_code) from None
        return
    sys.argv = ["city-index", action, *arguments]
    with suppress(SystemExit):
        command_line()
        return
    raise SystemExit(1)


def main() -> None:
    """Do what the command line says."""
    home, kill_at, action, *arguments = sys.argv[1:]
    settings = settings_of(Path(home), releases_kept=RELEASES_KEPT)
    steps = Steps(settings.home, int(kill_at))
    _do(settings, steps, action, arguments)
    print(steps.taken)


if __name__ == "__main__":
    main()
