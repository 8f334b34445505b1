"""Retention: what a home keeps of the past, so that nothing grows without bound.

What belongs here: what may go, and removing it, at the end of a run that succeeded and under its rebuild lock. What
does not: releases (``releases.store.prune``), the log of events, which bounds itself, and Dagster's history, which is
pruned where Dagster is known. Accepted and refused rows, in ``raw/`` and ``quarantine/``, are never removed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from city_index.contracts import KINDS
from city_index.errors import in_one_line
from city_index.settings import Settings

# How a folder of the archive is named: the batch that its files became, with the time of its landing, UTC.
_BATCH_NAME = re.compile(r"(\d{6,})-(\d{8}T\d{6}Z)-[0-9a-f]{8}")

_CENTURY = 36_525  # days


@dataclass
class Pruned:
    """What was removed.

    Attributes:
        removed: how many of each kind.
        freed_bytes: bytes of the removed files.
        problems: what could not be removed, one sentence each; the next run tries again.
    """

    removed: dict[str, int] = field(default_factory=dict)
    freed_bytes: int = 0
    problems: list[str] = field(default_factory=list)

    def remove_folder(self, kind: str, folder: Path) -> None:
        """Remove a folder; one that cannot be removed is a problem."""
        size = folder_bytes(folder)
        try:
            shutil.rmtree(folder)
        except OSError as error:
            self.problems.append(f"{folder} could not be removed: {in_one_line(error, 200)}")
            return
        self.count(kind, 1, size)

    def count(self, kind: str, number: int, freed_bytes: int = 0) -> None:
        """Count what was removed."""
        if number:
            self.removed[kind] = self.removed.get(kind, 0) + number
        self.freed_bytes += freed_bytes


def folder_bytes(folder: Path) -> int:
    """The bytes of all files below a folder; links are not followed."""
    total = 0
    for directory, _folders, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(directory) / name).lstat().st_size
            except OSError:
                continue  # it went away meanwhile
    return total


def oldest_kept(now: datetime, days: int) -> datetime:
    """When that began which so many days keep; more than a century is a century."""
    return now - timedelta(days=min(days, _CENTURY))


def prune_home(settings: Settings, now: datetime | None = None) -> Pruned:
    """Remove what the settings let go. Needs the rebuild lock; never raises for what cannot be removed.

    Args:
        settings: the settings.
        now: what time it is, with a time zone; the clock's by default.
    """
    pruned = Pruned()
    _prune_archive(settings, now or datetime.now(UTC), pruned)
    return pruned


def _archived_batches(settings: Settings) -> Iterator[tuple[int, datetime, Path]]:
    """The folders of the archive, each with its batch's number and the time of its landing.

    Anything else in the archive is not ours to touch.
    """
    for kind in KINDS:
        folder = settings.archive / kind
        if settings.archive.is_symlink() or folder.is_symlink() or not folder.is_dir():
            continue
        for entry in os.scandir(folder):
            match = _BATCH_NAME.fullmatch(entry.name)
            if match and entry.is_dir(follow_symlinks=False):
                try:
                    landed = datetime.strptime(match[2], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
                except ValueError:
                    continue
                yield int(match[1]), landed, Path(entry.path)


def _newest_first(batches: Iterable[tuple[int, datetime, Path]], now: datetime) -> list[tuple[datetime, Path]]:
    """Archived batches in the order of their numbers, newest first, each with the time at which it can have landed.

    A clock that was behind when a batch landed makes it no older: it landed after the one with the number before. One
    that was ahead makes none older.
    """
    latest, found = datetime.min.replace(tzinfo=UTC), []
    for _number, landed, folder in sorted(batches, key=lambda batch: (batch[0], batch[2].name)):
        if landed <= now:
            latest = max(latest, landed)
        found.append((latest if landed <= now else now, folder))
    return found[::-1]


def _prune_archive(settings: Settings, now: datetime, pruned: Pruned) -> None:
    """Remove the archived files that landed too long ago, and the oldest ones beyond the bytes kept."""
    try:
        batches = _newest_first(_archived_batches(settings), now)
    except OSError as error:
        pruned.problems.append(f"{settings.archive} cannot be read: {in_one_line(error, 200)}")
        return
    oldest = oldest_kept(now, settings.archive_days)
    kept_bytes, is_full = 0, False
    for landed, folder in batches:
        kept_bytes += folder_bytes(folder)
        # What is older than one that no longer fits goes too: the archive has no gaps.
        is_full = is_full or kept_bytes > settings.archive_bytes
        if is_full or landed < oldest:
            pruned.remove_folder("archived_batches", folder)
