"""What the cases share: homes to break, processes to run on them, mounts, and the verdict on what came of it.

What belongs here: means. What does not: any fault.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from city_index.releases import store
from city_index.settings import PROJECT_DIRECTORY, Settings
from reliability import invariants
from reliability.killing.homes import prepare_release, settings_of

# A night of a trial is about faults, not about how sure the ranks are.
QUICK = {
    "CITY_INDEX_DRAW_COUNT": "200",
    "CITY_INDEX_SENSITIVITY_ROWS": "32",
    "CITY_INDEX_WORKBOOK_ROWS": "1000",
    "CITY_INDEX_REPORT_CITIES": "10",
    "CITY_INDEX_LANDING_SETTLE_SECONDS": "0",
    "CITY_INDEX_ENV": "dev",
}
_CITIES = "city_code,name_zh,name_en\n"


class Skipped(Exception):
    """A case that cannot be tried on this machine; the message says why."""


@dataclass(frozen=True)
class Case:
    """A fault and how it is tried.

    Attributes:
        group: disk, folders, damage, clock, dagster, rivals or reader.
        fault: in few words.
        attempt: tries it; gives each broken promise as a sentence.
        is_long: whether it is tried in the long form only.
    """

    group: str
    fault: str
    attempt: Callable[[Workshop], list[str]]
    is_long: bool = False


@dataclass
class Home:
    """A home to break.

    Attributes:
        settings: of the home.
        ingested: kind and SHA-256 of every file that was dropped.
    """

    settings: Settings
    ingested: set[tuple[str, str]] = field(default_factory=set)

    def drop(self, name: str, city: str) -> Path:
        """Put a file of one right and one wrong row into the landing folder."""
        path = self.settings.landing / "cities" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = f"{_CITIES}{city},城,{city}\n,城,nobody\n".encode()
        path.write_bytes(content)
        self.ingested.add(("cities", hashlib.sha256(content).hexdigest()))
        return path

    def command(
        self, *command: str, at: str | None = None, limit: int | None = None, fill: Path | None = None, leave: int = 0
    ) -> list[str]:
        """The command line of a process with a fault."""
        line = [sys.executable, "-m", "reliability.faults.child"]
        line += ["--at", at] if at else []
        line += ["--limit", str(limit)] if limit is not None else []
        line += ["--fill", str(fill), "--leave", str(leave)] if fill is not None else []
        return [*line, *command]

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a process on the home."""
        # No bytecode is written: a limit on files must meet the product, not Python's cache.
        return {
            **os.environ,
            **QUICK,
            "CITY_INDEX_HOME": str(self.settings.home),
            "PYTHONPATH": str(PROJECT_DIRECTORY),
            "PYTHONDONTWRITEBYTECODE": "1",
            **more,
        }

    def run(
        self, *command: str, environment: dict[str, str] | None = None, **fault
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the home, with a fault where one is given."""
        return subprocess.run(
            self.command(*command, **fault),
            cwd=PROJECT_DIRECTORY,
            env=self.environment(**(environment or {})),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=900,
            check=False,
        )

    def violations(
        self,
        done: subprocess.CompletedProcess[str],
        codes: tuple[int, ...],
        said: str = "",
        damaged: tuple[str, ...] = (),
        is_raw_whole: bool = True,
        are_kept_whole: bool = True,
    ) -> list[str]:
        """What a run under a fault did wrong: in its words, or to the home.

        Args:
            done: the run.
            codes: the exit codes that it may have.
            said: what its message has to hold where it failed.
            damaged: published files that the fault itself damaged.
            is_raw_whole: whether the fault left raw/ and quarantine/ alone.
            are_kept_whole: whether the fault left the kept releases alone.
        """
        settings = self.settings
        return [
            *words_of(done, codes, said),
            *invariants.published_is_one_release(settings, damaged),
            *(invariants.published_files_belong(settings, damaged) if are_kept_whole else []),
            *(invariants.kept_releases_are_whole(settings) if are_kept_whole else []),
            *(invariants.nothing_lost(settings, self.ingested) if is_raw_whole else []),
        ]

    def violations_after(self, done: subprocess.CompletedProcess[str], is_archive_kept: bool = True) -> list[str]:
        """What the next run, without the fault, did wrong."""
        found = invariants.after_next_run(self.settings, self.ingested, is_archive_kept=is_archive_kept)
        return [*words_of(done, (0,)), *found]


def words_of(done: subprocess.CompletedProcess[str], codes: tuple[int, ...], said: str = "") -> list[str]:
    """What is wrong with a run's exit code and words: an error is one line, and never a traceback."""
    found = []
    last = " ".join(done.stderr.split())[-300:]
    if done.returncode not in codes:
        found.append(f"it ended with exit code {done.returncode}: {last}")
    if "Traceback" in done.stdout + done.stderr:
        found.append(f"it printed a traceback: {last}")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        if len(lines) != 1 or not lines[0].startswith("city-index: "):
            found.append(f"its error is not one line: {last}")
        if said not in done.stderr:
            found.append(f"its error does not say {said!r}: {last}")
    return found


@dataclass
class Workshop:
    """Where homes are made: each kind once, and a copy for each trial.

    Attributes:
        folder: where all of them stand.
        can_mount: whether this process has a mount namespace of its own.
    """

    folder: Path
    can_mount: bool
    _number: int = 0

    def small(self) -> Home:
        """A home with two small releases, two landed batches, and a file that waits."""
        model = self.folder / "small"
        if not model.exists():
            home = Home(settings_of(model))
            for number in (1, 2):
                folder, manifest = prepare_release(home.settings, number)
                store.keep(home.settings, folder, manifest.release_id)
                store.activate(home.settings, manifest)
            for name in ("first.csv", "second.csv"):
                home.drop(name, name[0])
                if (done := home.run("land")).returncode != 0:
                    raise RuntimeError(done.stderr)
        home = Home(settings_of(self._copy(model)))
        home.ingested |= {
            (path.parts[-3], hashlib.sha256(path.read_bytes()).hexdigest())
            for path in home.settings.archive.rglob("*.csv")
        }
        home.drop("waiting.csv", "w")
        return home

    def whole(self) -> Home:
        """A home with a published release, and in its warehouse the build of the next one, not yet assembled."""
        model = self.folder / "whole"
        if not model.exists():
            making = Home(Settings(PROJECT_DIRECTORY, self.folder / "making"))
            for city in ("first", "second"):
                making.drop(f"{city}.csv", city)
                if (done := making.run("run")).returncode != 0:
                    raise RuntimeError(done.stderr)
            newest, before = store.kept_releases(making.settings)
            store.activate(making.settings, before)
            shutil.rmtree(making.settings.releases / newest.release_id)
            making.settings.home.rename(model)
        home = Home(Settings(PROJECT_DIRECTORY, self._copy(model)))
        home.ingested |= {
            (path.parts[-3], hashlib.sha256(path.read_bytes()).hexdigest())
            for path in home.settings.archive.rglob("*.csv")
        }
        return home

    def place(self) -> Path:
        """A new folder for a trial."""
        self._number += 1
        path = self.folder / f"trial-{self._number}"
        path.mkdir()
        return path

    def _copy(self, model: Path) -> Path:
        target = self.place() / "home"
        shutil.copytree(model, target, symlinks=True)
        return target

    def clear(self) -> None:
        """Remove the homes of the trials; the models stay."""
        for path in self.folder.glob("trial-*"):
            shutil.rmtree(path, ignore_errors=True)

    def demand_mounts(self) -> None:
        """Fail where nothing can be mounted.

        Raises:
            Skipped: this process has no mount namespace of its own.
        """
        if not self.can_mount:
            raise Skipped("needs root and a mount namespace of its own (`unshare`)")

    @contextmanager
    def small_disk(self, home: Home, spare: int) -> Iterator[Home]:
        """A copy of a home on a disk that has room for it and so many bytes more."""
        self.demand_mounts()
        disk = self.place()
        used = sum(4096 + path.lstat().st_size for path in home.settings.home.rglob("*"))
        _mount("-t", "tmpfs", "-o", f"size={used + spare}", "none", str(disk))
        try:
            target = disk / "home"
            shutil.copytree(home.settings.home, target, symlinks=True)
            yield Home(Settings(PROJECT_DIRECTORY, target, landing_settle_seconds=0), home.ingested)
        finally:
            subprocess.run(["umount", str(disk)], check=True)

    @contextmanager
    def read_only(self, path: Path) -> Iterator[None]:
        """A folder that cannot be written, by nobody."""
        self.demand_mounts()
        _mount("--bind", str(path), str(path))
        try:
            _mount("-o", "remount,bind,ro", str(path))
            yield
        finally:
            subprocess.run(["umount", str(path)], check=True)


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skipped(f"mount: {done.stderr.strip()}")
