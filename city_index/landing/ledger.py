"""The ledger: ``landed.json`` in the home names every Parquet file of raw/ and quarantine/ with its SHA-256 and size.

What belongs here: noting what is about to be committed, completing or undoing a change that was cut short, and holding
the folders against what is noted. Writing the files and putting them in place is the raw store's.

A change is noted before its first file is moved and struck off after the last one, so what a killed landing left is
known: where the deciding file of the change stands in its place the change is completed, elsewhere it is undone; but
only while its folder is there, since a folder that has vanished decides nothing. Within a landing the last change stays
noted until the next one is, so each costs one writing.

Nothing here removes a row: what a person lets go, and what nobody knows, moves to ``let_go/`` and stays there.
"""

from __future__ import annotations

import errno
import filecmp
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from city_index.checksums import Checksum, file_checksum
from city_index.durability import sync, temporary_of, write_in_one_step
from city_index.errors import CityIndexError, GateRefused
from city_index.settings import Settings


@dataclass(frozen=True)
class LandedFault:
    """What is wrong with a landed file or folder.

    Attributes:
        path: which one.
        says: what is wrong with it, to be read after the path.
        remedy: what to do.
        names: the ledger's names of the files that are missing; none where something else is wrong.
    """

    path: Path
    says: str
    remedy: str
    names: tuple[str, ...] = ()

    def sentence(self) -> str:
        """The fault as one line for people."""
        return f"{self.path} {self.says}; {self.remedy}"


@dataclass
class _Change:
    """A change that is being made.

    Attributes:
        decided_by: the file that makes the change stand once it is in its place; empty where files are let go, which
            stands once it is noted.
        adds: the files that come, by name.
        removes: the names of those that go.
        lets_go: the names of those that move to ``let_go/``.
    """

    decided_by: str
    adds: dict[str, Checksum]
    removes: list[str]
    lets_go: list[str] = field(default_factory=list)


@dataclass
class _Content:
    files: dict[str, Checksum] = field(default_factory=dict)
    change: _Change | None = None


_OWN_CHECKSUM = "sha256"
_RESTORE = "restore it from the backup"
_LET_GO = "let its rows go with `city-index run --accept-removals`"


class Ledger:
    """The ledger of a home. Whoever writes into it holds the rebuild lock."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._roots = (settings.raw, settings.quarantine)
        self._content: _Content | None = None  # as it stands, or is about to be written; None: read it
        self._is_unwritten = False

    @property
    def path(self) -> Path:
        """Where the ledger stands."""
        return self._settings.landed_files

    @property
    def exists(self) -> bool:
        """Whether there is one; homes that landed their files before checksums were kept have none."""
        return self.path.exists()

    def begin(self, adds: Mapping[Path, Path], removes: Iterable[Path], decided_by: Path) -> None:
        """Note a change before it is made.

        Args:
            adds: for the place of each new file where it stands now.
            removes: the files that go afterwards.
            decided_by: the place of the file that makes the change stand; the last that is put there.
        """
        content = self._current()
        self._carry_out(content)
        content.change = _Change(
            decided_by=self._name(decided_by),
            adds={self._name(place): file_checksum(source) for place, source in adds.items()},
            removes=[self._name(path) for path in removes],
        )
        self._write(content)

    def end(self) -> None:
        """Say that the files of the change that was begun are in their place; those that they replace go."""
        self._carry_out(self._current())

    def settle(self) -> None:
        """Write down that the last change is complete. Where one was cut short it stays noted."""
        if self._is_unwritten and self._content is not None and self._content.change is None:
            self._write(self._content)

    def complete(self) -> None:
        """Complete the change that is noted, or undo it where its deciding file never came.

        Hold the files against their checksums before that: a completed change removes files.

        Raises:
            GateRefused: the folder that would tell has vanished.
        """
        content = self._current()
        if content.change is not None:
            self._carry_out(content)
            self._write(content)

    def clear_up(self) -> None:
        """Begin anew from what is on disk, without what a killed writing left there."""
        temporary_of(self.path).unlink(missing_ok=True)
        self._content, self._is_unwritten = None, False

    def _carry_out(self, content: _Content) -> None:
        change = content.change
        if change is None:
            return
        if change.lets_go:
            for name in change.lets_go:
                if self._path(name).exists():
                    self.set_aside(self._path(name))
        elif self._is_decided(change):
            self._remove(change.removes)
            for name in change.removes:
                content.files.pop(name, None)
            content.files.update(change.adds)
        elif self._may_be_undone(change):
            self._remove(change.adds)
        else:
            raise GateRefused(f"a landing was cut short, and {self._undecided(change).sentence()}; nothing was undone")
        content.change = None
        self._is_unwritten = True

    def _is_decided(self, change: _Change) -> bool:
        return self._path(change.decided_by).exists()

    def _may_be_undone(self, change: _Change) -> bool:
        """Whether the missing file of a change tells that it was not made: its folder must be there to tell."""
        return self._path(change.decided_by).parent.is_dir()

    def _undecided(self, change: _Change) -> LandedFault:
        return LandedFault(
            self._gone(self._path(change.decided_by)), "is missing", f"{_RESTORE}, or {_LET_GO}", (change.decided_by,)
        )

    def _remove(self, names: Iterable[str]) -> None:
        """Remove files, durably: what the ledger no longer names must not come back when the power goes."""
        paths = [self._path(name) for name in names]
        for path in paths:
            path.unlink(missing_ok=True)
        _sync_folders({path.parent for path in paths})

    def set_aside(self, path: Path) -> None:
        """Move a file of raw/ or quarantine/ to ``let_go/``, also where that is another disk; cut short, do it again.

        No run removes anything there. A file of the same name that holds other bytes stays, beside the new one.
        """
        first = self._settings.let_go / self._name(path)
        first.parent.mkdir(parents=True, exist_ok=True)
        place, count = first, 1
        while place.exists() and not filecmp.cmp(place, path, shallow=False):
            count += 1
            place = first.with_name(f"{first.stem}-{count}{first.suffix}")
        try:
            os.rename(path, place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            part = temporary_of(place)
            shutil.copyfile(path, part)
            sync(part)
            os.replace(part, place)
            _sync_folders({place.parent})
            path.unlink()
        _sync_folders({place.parent, path.parent})

    def has_change(self) -> bool:
        """Whether a change was begun and is not complete."""
        return self.exists and self._read().change is not None

    def take_up(self) -> int:
        """Note every file as it stands, in a home that has no ledger yet; gives how many."""
        content = self._content = _Content({self._name(path): file_checksum(path) for path in self._found()})
        self._write(content)
        return len(content.files)

    def faults(self) -> list[LandedFault]:
        """What is wrong with the landed files: changed, missing, or not landed here. Reads every byte of them.

        Raises:
            GateRefused: the ledger itself cannot be read.
        """
        if not self.exists:
            return []
        content = self._read()
        files, change = dict(content.files), content.change
        passing: set[str] = set()  # what is being moved: it may be there or not
        if change is not None and (change.lets_go or self._is_decided(change)):
            passing = {*change.removes, *change.lets_go}
            files |= change.adds
        elif change is not None:
            passing = set(change.adds)
        for name in passing:
            files.pop(name, None)
        found = [
            LandedFault(root, "is not a folder", "move it away")
            for root in self._roots
            if root.exists() != root.is_dir()
        ]
        if found:
            return found
        missing: dict[Path, list[str]] = {}
        if change is not None and not (change.lets_go or self._is_decided(change) or self._may_be_undone(change)):
            missing[self._gone(self._path(change.decided_by))] = [change.decided_by]
        for name, expected in sorted(files.items()):
            path = self._path(name)
            try:
                actual = file_checksum(path)
            except FileNotFoundError:
                missing.setdefault(self._gone(path), []).append(name)
                continue
            except OSError as error:
                found.append(LandedFault(path, f"cannot be read ({error.strerror})", f"mend that, or {_RESTORE}"))
                continue
            if actual != expected:
                found.append(
                    LandedFault(
                        path, "holds other bytes than were landed", f"{_RESTORE}, or move it away and see again"
                    )
                )
        strangers = [
            path for path in self._found() if self._name(path) not in files and self._name(path) not in passing
        ]
        earlier = self._landed_without_ledger(strangers, [self._path(name) for name in files])
        found += [
            LandedFault(
                path,
                f"holds batches that {self.path.name} does not know",
                f"where an earlier version of City Index landed it, delete {self.path}, and the next run takes up what "
                "stands in raw/ and quarantine/; otherwise move it away",
            )
            for path in strangers
            if path in earlier
        ]
        for path, names in missing.items():
            count = f" with {len(names)} landed files" if path != self._path(names[0]) else ""
            found.append(LandedFault(path, f"is missing{count}", f"{_RESTORE}, or {_LET_GO}", tuple(names)))
        found += [
            LandedFault(path, "was not landed here", "move it away; files come in through the landing folder")
            for path in strangers
            if path not in earlier
        ]
        return found

    def _landed_without_ledger(self, strangers: list[Path], known: list[Path]) -> set[Path]:
        """Of the files that the ledger does not know, those that hold whole batches which no other file holds.

        An earlier version, which keeps no checksums, lands and merges files without noting them.
        """
        from city_index.landing.raw_store import read_records

        landed = [path for path in strangers if path.is_relative_to(self._settings.raw)]
        if not landed:
            return set()
        try:
            records = read_records(
                [path for path in known if path.is_relative_to(self._settings.raw) and path.exists()]
            )
        except CityIndexError:
            return set()  # what is damaged comes first
        batches = {record.batch_id for found in records.values() for record in found}
        whole = set()
        for path in landed:
            try:
                own = {record.batch_id for record in read_records([path])[path]}
            except CityIndexError:
                continue
            if own and not own & batches:
                whole.add(path)
        names = {self._name(path) for path in whole}
        return whole | {path for path in strangers if self._counterpart(self._name(path)) in names}

    def demand_intact(self, accepts_removals: bool = False) -> list[str]:
        """Fail unless every landed file is as it was landed.

        Args:
            accepts_removals: missing files are no reason to fail.

        Returns:
            The names of the files that are missing, to be let go.

        Raises:
            GateRefused: a file is changed, missing or unknown; the message says which and what to do.
        """
        found = self.faults()
        missing = [name for fault in found for name in fault.names] if accepts_removals else []
        if missing:
            found = [fault for fault in found if not fault.names]
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise GateRefused(f"what was landed is damaged: {found[0].sentence()}{more}; nothing was built from it")
        return missing

    def let_go(self, names: list[str]) -> str:
        """Let missing files go, and with them what raw/ or quarantine/ still hold of the same batches.

        It is noted before anything is moved, so that a kill in between is completed by the next run.

        Returns:
            What a person should know.
        """
        content = self._current()
        gone = {*names, *(self._counterpart(name) for name in names)}
        if content.change is not None and content.change.adds.keys() & gone:
            # It can neither be completed nor undone; all that there is of it is kept.
            gone |= {*content.change.adds, *content.change.removes}
            content.change = None
        self._carry_out(content)
        for name in gone:
            content.files.pop(name, None)
        content.change = _Change("", {}, [], sorted(name for name in gone if self._path(name).is_file()))
        self._write(content)
        self._carry_out(content)
        self._write(content)
        return (
            f"{len(names)} landed files are missing and were let go, such as {names[0]}; what else there was of their "
            f"batches is in {self._settings.let_go}"
        )

    def _counterpart(self, name: str) -> str:
        root, _separator, rest = name.partition("/")
        return (
            f"{self._settings.quarantine.name if root == self._settings.raw.name else self._settings.raw.name}/{rest}"
        )

    def _gone(self, path: Path) -> Path:
        """The outermost folder of a missing file that is missing too; the file itself where its folders are there."""
        for folder in reversed(path.relative_to(self._settings.home).parents):
            if not (self._settings.home / folder).exists():
                return self._settings.home / folder
        return path

    def _found(self) -> list[Path]:
        return sorted(path for root in self._roots for path in root.rglob("*.parquet") if not path.is_dir())

    def _name(self, path: Path) -> str:
        return path.relative_to(self._settings.home).as_posix()

    def _path(self, name: str) -> Path:
        return self._settings.home / name

    def _current(self) -> _Content:
        """The content to go on from: read once, and kept for the length of a landing."""
        if self._content is None:
            self._content = self._read()
        return self._content

    def _read(self) -> _Content:
        if not self.exists:
            return _Content()
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            # A bit that flips in a checksum would pass for damage of the file that it is of. Older ledgers have none.
            if content.pop(_OWN_CHECKSUM, None) not in (None, _digest(content)):
                raise ValueError("it is not what was written")
            files = {str(name): Checksum(**entry) for name, entry in content["files"].items()}
            change = content["change"]
            if change is not None:
                adds = {str(name): Checksum(**entry) for name, entry in change["adds"].items()}
                change = _Change(
                    str(change["decided_by"]),
                    adds,
                    [str(name) for name in change["removes"]],
                    [str(name) for name in change.get("lets_go", [])],
                )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise GateRefused(
                f"{self.path}, the checksums of what was landed, cannot be read ({type(error).__name__}); restore it "
                "from the backup, or delete it, and the next run takes up what stands in raw/ and quarantine/"
            ) from None
        return _Content(files, change)

    def _write(self, content: _Content) -> None:
        self._settings.home.mkdir(parents=True, exist_ok=True)
        change = content.change
        written = {
            "files": _entries(content.files),
            "change": None if change is None else vars(change) | {"adds": _entries(change.adds)},
        }
        written[_OWN_CHECKSUM] = _digest(written)
        try:
            write_in_one_step(self.path, json.dumps(written, sort_keys=True) + "\n")
        except BaseException:
            self._content = None  # what is on disk counts
            raise
        finally:
            self._is_unwritten = False


def _digest(content: Mapping[str, object]) -> str:
    """The SHA-256 of what a ledger says, in hex."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _entries(files: Mapping[str, Checksum]) -> dict[str, dict[str, object]]:
    return {name: vars(checksum) for name, checksum in files.items()}


def _sync_folders(folders: Iterable[Path]) -> None:
    """Make what was moved into or out of folders durable, where their file system can do that."""
    for folder in folders:
        try:
            sync(folder)
        except OSError as error:
            # Gone, or a file system that makes no folder durable; a disk that fails is told.
            if error.errno not in (errno.ENOENT, errno.EINVAL, errno.ENOTSUP):
                raise
