"""Looking into the landing folder: which files may be taken, and which are refused by name.

What belongs here: everything that a file's name, place, size and age decide. Its contents are opened elsewhere.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from city_index.contracts import KINDS
from city_index.settings import Settings

SUFFIXES = (".csv", ".parquet", ".xlsx")

# What copying tools and spreadsheets keep beside a file while they work on it.
_WORKING_PREFIXES = (".", "~$")
_WORKING_SUFFIXES = (".part", ".partial", ".tmp", ".crdownload", ".filepart", ".swp")

# What `city-index ingest` calls a file while it copies it.
_COPY_PREFIX, _COPY_SUFFIX = ".city-index-", ".part"


@dataclass(frozen=True)
class Arrival:
    """A file that may be taken.

    Attributes:
        path: where it lies.
        name: its name for people, below the landing folder.
        kind: the kind of the folder it lies in.
        size: in bytes.
        modified_ns: time of its last change, in nanoseconds since 1970.
        inode: which file it is, whatever its name.
    """

    path: Path
    name: str
    kind: str
    size: int
    modified_ns: int
    inode: int

    @property
    def file_name(self) -> str:
        """Its name for people, without the folder."""
        return shown(self.path.name)

    def has_changed(self) -> bool:
        """Whether the file is no longer as it was seen."""
        try:
            found = self.path.lstat()
        except OSError:
            return True
        return (found.st_size, found.st_mtime_ns, found.st_ino) != (self.size, self.modified_ns, self.inode)


@dataclass(frozen=True)
class RefusedFile:
    """A file that is not taken, and stays where it is.

    Attributes:
        name: its name for people, below the landing folder.
        kind: its kind, where that is known.
        reason: in few words, the same for the same fault.
        detail: the reason with what to do.
    """

    name: str
    kind: str | None
    reason: str
    detail: str

    @property
    def file_name(self) -> str:
        """Its name for people, without the folder of its kind."""
        return self.name.removeprefix(f"{self.kind}/")

    def sentence(self) -> str:
        """The refusal as one line for people."""
        return f"{self.name}: {self.reason}: {self.detail}"


def shown(text: str | Path) -> str:
    """A file name as text that can be printed and stored, whatever bytes it has."""
    try:
        decoded = os.fsencode(text).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half of a pair of surrogates, which is no name of a file
        decoded = str(text)
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in decoded)


def look(settings: Settings) -> tuple[list[Arrival], list[RefusedFile]]:
    """The files that lie in the landing folder: those that may be taken, oldest change first, and those refused.

    Of files that are landed together the later one corrects the earlier one, so their order is that of their last
    change, and of their names where that is the same.
    """
    arrivals: list[Arrival] = []
    refused: list[RefusedFile] = []
    for entry in _entries(settings.landing, refused, settings):
        name = shown(entry.name)
        if entry.is_symlink():
            refused.append(_linked(name, entry.name if entry.name in KINDS else None))
        elif entry.is_dir(follow_symlinks=False):
            _look_into(settings, Path(entry.path), arrivals, refused)
        elif not is_working_file(entry.name):
            refused.append(
                RefusedFile(
                    name,
                    None,
                    "no kind",
                    f"it lies in no folder of a kind; move it into one of {', '.join(KINDS)}, or use city-index ingest",
                )
            )
    arrivals.sort(key=lambda arrival: (arrival.modified_ns, arrival.name))
    return arrivals, refused


def keep_settled(settings: Settings, arrivals: list[Arrival]) -> tuple[list[Arrival], list[RefusedFile]]:
    """Of the given files those that nobody is writing any more; waits where one changed a moment ago."""
    youngest = max(
        (
            arrival.modified_ns / 1e9
            for arrival in arrivals
            if arrival.modified_ns / 1e9 <= time.time() + settings.landing_settle_seconds
        ),
        default=0.0,
    )
    wait = settings.landing_settle_seconds - (time.time() - youngest)
    if arrivals and wait > 0:
        time.sleep(wait)
    settled, growing = [], []
    for arrival in arrivals:
        if arrival.has_changed():
            growing.append(still_growing(arrival))
        else:
            settled.append(arrival)
    return settled, growing


def still_growing(arrival: Arrival) -> RefusedFile:
    """The refusal of a file that changes while it is looked at."""
    return RefusedFile(
        arrival.name, arrival.kind, "still growing", "it is still being written; it is tried again the next time"
    )


def _look_into(settings: Settings, folder: Path, arrivals: list[Arrival], refused: list[RefusedFile]) -> None:
    kind = folder.name if folder.name in KINDS else None
    for entry in _entries(folder, refused, settings):
        if is_working_file(entry.name):
            continue
        name = f"{shown(folder.name)}/{shown(entry.name)}"
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            continue  # it went away meanwhile
        if kind is None:
            refused.append(
                RefusedFile(name, None, "unknown kind", f"folders that are read: {', '.join(KINDS)}; move it there")
            )
        elif stat.S_ISLNK(found.st_mode):
            refused.append(_linked(name, kind))
        elif stat.S_ISDIR(found.st_mode):
            refused.append(RefusedFile(name, kind, "a folder", f"folders are not read; move its files into {kind}/"))
        elif not stat.S_ISREG(found.st_mode):
            refused.append(RefusedFile(name, kind, "not a file", "only plain files are read; remove it"))
        elif fault := format_or_size_fault(settings, entry.name, found.st_size):
            refused.append(RefusedFile(name, kind, *fault))
        elif not os.access(entry.path, os.R_OK):
            refused.append(RefusedFile(name, kind, "not readable", "give this user the permission to read it"))
        else:
            arrivals.append(Arrival(Path(entry.path), name, kind, found.st_size, found.st_mtime_ns, found.st_ino))


def format_or_size_fault(settings: Settings, file_name: str, size: int) -> tuple[str, str] | None:
    """Why a file of this name and size is never taken, as reason and detail; None where it may be."""
    if Path(file_name).suffix.lower() not in SUFFIXES:
        return "unknown format", f"files end in one of {', '.join(SUFFIXES)}; save it as one"
    if size > settings.landing_max_bytes:
        return (
            "too large",
            f"{size:,} bytes, and CITY_INDEX_LANDING_MAX_BYTES allows {settings.landing_max_bytes:,}; "
            "split the file, or raise the setting",
        )
    return None


def _entries(folder: Path, refused: list[RefusedFile], settings: Settings) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        name = "landing" if folder == settings.landing else shown(folder.name)
        refused.append(
            RefusedFile(f"{name}/", None, "not readable", f"{error.strerror}; give this user the permission")
        )
        return []


@contextmanager
def copy_in_progress(folder: Path) -> Iterator[Path]:
    """A new, empty file in a folder of the landing folder, for a copy that no run takes; it goes in the end.

    The process holds the file's lock; so a run can tell it from one that a killed process left behind.
    """
    while True:
        path = folder / f"{_COPY_PREFIX}{secrets.token_hex(8)}{_COPY_SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            break
        os.close(descriptor)  # a run took it for a leftover before it was locked
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def remove_cut_off_copies(settings: Settings) -> None:
    """Remove the copies that a killed `city-index ingest` left behind; those still being made stay."""
    for kind in KINDS:
        if (settings.landing / kind).is_symlink():
            continue
        for path in (settings.landing / kind).glob(f"{_COPY_PREFIX}*{_COPY_SUFFIX}"):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                continue  # it is gone, or none of ours
            try:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink(missing_ok=True)
            except OSError:
                pass  # it is being written, or not ours to remove; whoever drops files must never stop a run
            finally:
                os.close(descriptor)


def is_working_file(name: str) -> bool:
    """Whether a name is one that copying tools and spreadsheets give a file while they work on it."""
    return name.startswith(_WORKING_PREFIXES) or name.lower().endswith(_WORKING_SUFFIXES)


def _linked(name: str, kind: str | None) -> RefusedFile:
    return RefusedFile(
        name, kind, "a link", "a link may lead out of the landing folder and is not followed; put the file itself there"
    )
