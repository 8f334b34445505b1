"""Readers of the published database while releases are published: `python -m reliability.load`.

Reader processes read without pause. Windows in which a release is published take turns with quiet ones, so that the
times of both are measured on the same machine in the same minutes; a read counts to a publication where it was under
way at any moment of it. Most publications put a kept release back (`city-index rollback` takes the very step that a
night ends with); the last is a whole night that publishes a corrected observation.

A read errs where DuckDB raises, where the release changes under it, or where the fingerprint of a table is not the one
that the kept release of that id has: a mix of two releases has the fingerprint of neither.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import duckdb
import numpy as np

from city_index.releases import store
from city_index.settings import PROJECT_DIRECTORY
from reliability.load_reader import fingerprint, table_names
from reliability.page import provenance, table, write_section
from reliability.scratch import ScratchHome

# Every fourth reader keeps its connection for so many reads, as a BI tool does.
_HELD_READS = 40
# How long a quiet window is; a publication takes about as long.
_QUIET_SECONDS = 2.0


@dataclass(frozen=True)
class Form:
    """How much is tried.

    Attributes:
        readers: processes that read.
        rollbacks: publications of kept releases.
        nights: publications by whole nights.
    """

    readers: int
    rollbacks: int
    nights: int


LONG = Form(readers=32, rollbacks=49, nights=1)
SHORT = Form(readers=4, rollbacks=6, nights=0)


@dataclass
class Windows:
    """When releases were being published, and when nothing was: pairs of moments of the monotonic clock, in seconds."""

    publishing: list[tuple[float, float]] = field(default_factory=list)
    quiet: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """What the readers found.

    Attributes:
        form: how much was tried.
        publications: how many releases were published while they read.
        reads: how many reads there were, in all.
        checked: how many tables were held against their release.
        releases_seen: how many different releases were read.
        errors: what went wrong, one sentence each.
        mixed: tables that are of another release than their database says, one sentence each.
        publishing: seconds of the reads during publications.
        quiet: seconds of the reads in quiet windows.
    """

    form: Form
    publications: int
    reads: int
    checked: int
    releases_seen: int
    errors: list[str]
    mixed: list[str]
    publishing: np.ndarray
    quiet: np.ndarray

    def ratio(self, percentile: float) -> float:
        """A percentile of the time of a read while publishing over the same in quiet windows."""
        return float(np.percentile(self.publishing, percentile) / np.percentile(self.quiet, percentile))

    def text(self) -> str:
        """The figures, as the page shows them."""
        rows = [
            ("reader processes", self.form.readers),
            ("publications", self.publications),
            ("of them whole nights", self.form.nights),
            ("reads", self.reads),
            ("tables held against their release", self.checked),
            ("releases seen", self.releases_seen),
            ("errors", len(self.errors)),
            ("mixed releases", len(self.mixed)),
            ("reads during publications / in quiet windows", f"{len(self.publishing):,} / {len(self.quiet):,}"),
            ("p50 of a read, publishing over quiet", f"{self.ratio(50):.2f}"),
            ("p99 of a read, publishing over quiet", f"{self.ratio(99):.2f}"),
        ]
        return table(
            ("What", "Figure"), [(name, f"{value:,}" if isinstance(value, int) else value) for name, value in rows]
        )


def prepare(home: ScratchHome) -> None:
    """Publish two releases of different content."""
    for _ in range(2):
        if home.database.exists():
            home.ingest_a_correction()
        home.city_index("run")


def measure(home: ScratchHome, form: Form, scratch: Path, seed: int) -> Found:
    """Read and publish at the same time; the home has kept releases."""
    stop, windows, chance = scratch / "stop", Windows(), random.Random(seed)
    fingerprints: dict[str, dict[str, str]] = {}
    _take_fingerprints(home, fingerprints)
    results = [scratch / f"reader-{number}.json" for number in range(form.readers)]
    readers = [
        subprocess.Popen(
            [sys.executable, "-m", "reliability.load_reader", home.database, stop, result, *map(str, own)],
            cwd=PROJECT_DIRECTORY,
        )
        for result, own in zip(results, ((seed + n, _HELD_READS if n % 4 == 3 else 1) for n in count()), strict=False)
    ]
    try:
        time.sleep(3 * _QUIET_SECONDS)  # until all have begun
        for _ in range(form.rollbacks):
            began = time.monotonic()
            time.sleep(_QUIET_SECONDS)
            windows.quiet.append((began, time.monotonic()))
            windows.publishing.append(_publish_another(home, chance))
        for night in range(form.nights):
            home.ingest_a_correction(1 + night)
            home.city_index("run")
            _take_fingerprints(home, fingerprints)
    finally:
        stop.touch()
        ends = [reader.wait() for reader in readers]
    errors = [f"a reader ended with {end}" for end in ends if end != 0]
    found = [json.loads(path.read_text(encoding="utf-8")) for path in results if path.is_file()]
    seen = [(release_id, name, print_, times) for one in found for release_id, name, print_, times in one["seen"]]
    mixed = [
        f"release {release_id}: {name} is not as the kept release has it, {times} times"
        for release_id, name, print_, times in seen
        if fingerprints.get(release_id, {}).get(name) != print_
    ]
    reads = np.array([read for one in found for read in one["reads"]]).reshape(-1, 3)
    began, seconds = reads[:, 0], reads[:, 2]
    return Found(
        form=form,
        publications=form.rollbacks + form.nights,
        reads=len(reads),
        checked=sum(times for *_what, times in seen),
        releases_seen=len({release_id for release_id, *_rest in seen}),
        errors=errors + [error for one in found for error in one["errors"]],
        mixed=mixed,
        publishing=seconds[_within(began, began + seconds, windows.publishing, whole=False)],
        quiet=seconds[_within(began, began + seconds, windows.quiet, whole=True)],
    )


def _within(began: np.ndarray, ended: np.ndarray, windows: list[tuple[float, float]], *, whole: bool) -> np.ndarray:
    """Which reads lie in one of the windows: wholly, or with any moment."""
    found = np.zeros(len(began), dtype=bool)
    for opening, closing in windows:
        found |= (began >= opening) & (ended <= closing) if whole else (began < closing) & (ended > opening)
    return found


def _publish_another(home: ScratchHome, chance: random.Random) -> tuple[float, float]:
    """Put a kept release back that is not the published one; gives when that began and ended.

    The rollback runs in a process that is ready before the clock is started: Python's start is no part of publishing.
    It has a session of its own, as nightly runs have beside the processes of BI: where the kernel shares processors out
    by session, it gets as much as all readers together.
    """
    settings = home.settings
    current = store.current_release(settings)
    others = [m.release_id for m in store.kept_releases(settings) if m.release_id != current.release_id]
    process = subprocess.Popen(
        [sys.executable, "-c", _ROLL_BACK, str(home.home), chance.choice(others)],
        cwd=PROJECT_DIRECTORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    process.stdout.readline()
    began = time.monotonic()
    process.communicate("now\n")
    ended = time.monotonic()
    if process.returncode != 0:
        raise RuntimeError(f"a rollback ended with {process.returncode}")
    return began, ended


_ROLL_BACK = """
import os, sys
os.environ["CITY_INDEX_HOME"] = sys.argv[1]
from city_index.cli import city_index
print("ready", flush=True)
if not sys.stdin.readline():
    sys.exit(1)  # whoever started it is gone
city_index.main(["rollback", sys.argv[2]], standalone_mode=False)
"""


def _take_fingerprints(home: ScratchHome, fingerprints: dict[str, dict[str, str]]) -> None:
    """What each table of each kept release holds, for those not known yet."""
    for manifest in store.kept_releases(home.settings):
        if manifest.release_id not in fingerprints:
            path = home.settings.releases / manifest.release_id / "city_index.duckdb"
            with duckdb.connect(str(path), read_only=True) as connection:
                fingerprints[manifest.release_id] = {
                    name: fingerprint(connection, name) for name in table_names(connection)
                }


def main() -> int:
    """Run the proof; gives its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true", help="32 readers and 50 publications")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/reliability.md")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path, help="a home with two kept releases; one is made where none is named")
    arguments = parser.parse_args()
    form = LONG if arguments.long else SHORT
    with tempfile.TemporaryDirectory(prefix="city-index-load-") as folder:
        home = ScratchHome(arguments.home or Path(folder) / "home")
        if arguments.home is None:
            print("publishing two releases in a scratch home", flush=True)
            prepare(home)
        print(f"{form.readers} readers, {form.rollbacks + form.nights} publications", flush=True)
        found = measure(home, form, Path(folder), arguments.seed)
    for sentence in (found.errors + found.mixed)[:20]:
        print(sentence)
    print(found.text())
    if arguments.write:
        command = "make load" if arguments.long else "python -m reliability.load"
        write_section("load", f"{found.text()}\n\n{provenance(command)}")
    return int(bool(found.errors or found.mixed))


if __name__ == "__main__":
    os.environ.pop("CITY_INDEX_HOME", None)
    sys.exit(main())
