"""The ledger: ``landed.json`` in the home names every Parquet file of raw/ and quarantine/ with its SHA-256 and size.

What belongs here: noting what is about to be committed, completing or undoing a change that was cut short, and holding
the folders against what is noted. Writing the files and putting them in place is the raw store's.

A change is noted before its first file is moved and struck off after the last one, so what a killed landing left is
known: where the deciding file of the change stands in its place the change is completed, elsewhere it is undone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from city_index.checksums import Checksum, file_checksum
from city_index.durability import temporary_of, write_in_one_step
from city_index.errors import GateRefused
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
        decided_by: the file that makes the change stand once it is in its place.
        adds: the files that come, by name.
        removes: the names of those that go.
    """

    decided_by: str
    adds: dict[str, Checksum]
    removes: list[str]


@dataclass
class _Content:
    files: dict[str, Checksum] = field(default_factory=dict)
    change: _Change | None = None


_RESTORE = "restore it from the backup"
_LET_GO = "let its rows go with `city-index run --accept-removals`"


class Ledger:
    """The ledger of a home. Whoever writes into it holds the rebuild lock."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._roots = (settings.raw, settings.quarantine)

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
        content = self._read()
        content.change = _Change(
            decided_by=self._name(decided_by),
            adds={self._name(place): file_checksum(source) for place, source in adds.items()},
            removes=[self._name(path) for path in removes],
        )
        self._write(content)

    def complete(self) -> None:
        """Complete the change that is noted, or undo it where its deciding file never came."""
        temporary_of(self.path).unlink(missing_ok=True)
        if not self.exists:
            return
        content = self._read()
        change = content.change
        if change is None:
            return
        if self._path(change.decided_by).exists():
            for name in change.removes:
                self._path(name).unlink(missing_ok=True)
                content.files.pop(name, None)
            content.files.update(change.adds)
        else:
            for name in change.adds:
                self._path(name).unlink(missing_ok=True)
        content.change = None
        self._write(content)

    def has_change(self) -> bool:
        """Whether a change was begun and is not complete."""
        return self.exists and self._read().change is not None

    def take_up(self) -> int:
        """Note every file as it stands, in a home that has no ledger yet; gives how many."""
        content = _Content({self._name(path): file_checksum(path) for path in self._found()})
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
        files = dict(content.files)
        # What is being moved may be there or not.
        passing = set() if content.change is None else {*content.change.adds, *content.change.removes}
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
        for path, names in missing.items():
            count = f" with {len(names)} landed files" if path != self._path(names[0]) else ""
            found.append(LandedFault(path, f"is missing{count}", f"{_RESTORE}, or {_LET_GO}", tuple(names)))
        found += [
            LandedFault(path, "was not landed here", "move it away; files come in through the landing folder")
            for path in self._found()
            if self._name(path) not in files and self._name(path) not in passing
        ]
        return found

    def demand_intact(self, accepts_removals: bool = False) -> list[str]:
        """Fail unless every landed file is as it was landed; gives what a person should know.

        Args:
            accepts_removals: let files go that are missing, with what else there is of their batches.

        Raises:
            GateRefused: a file is changed, missing or unknown; the message says which and what to do.
        """
        found = self.faults()
        missing = [name for fault in found for name in fault.names]
        if missing and accepts_removals:
            found = [fault for fault in found if not fault.names]
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise GateRefused(f"what was landed is damaged: {found[0].sentence()}{more}; nothing was built from it")
        return [self._let_go(missing)] if missing else []

    def _let_go(self, names: list[str]) -> str:
        """Let missing files go, and with them what raw/ or quarantine/ still hold of the same batches."""
        content = self._read()
        gone = set(names) | {self._counterpart(name) for name in names}
        for name in sorted(gone):
            path = self._path(name)
            if path.exists():
                kept = self._settings.archive / "let_go" / name
                kept.parent.mkdir(parents=True, exist_ok=True)
                path.rename(kept)
            content.files.pop(name, None)
        self._write(content)
        return (
            f"{len(names)} landed files are missing and were let go, such as {names[0]}; what else there was of their "
            f"batches is in {self._settings.archive / 'let_go'}"
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

    def _read(self) -> _Content:
        if not self.exists:
            return _Content()
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            files = {str(name): Checksum(**entry) for name, entry in content["files"].items()}
            change = content["change"]
            if change is not None:
                adds = {str(name): Checksum(**entry) for name, entry in change["adds"].items()}
                change = _Change(str(change["decided_by"]), adds, [str(name) for name in change["removes"]])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise GateRefused(
                f"{self.path}, the checksums of what was landed, cannot be read ({type(error).__name__}); restore it "
                "from the backup, or delete it, and the next run takes up what stands in raw/ and quarantine/"
            ) from None
        return _Content(files, change)

    def _write(self, content: _Content) -> None:
        self._settings.home.mkdir(parents=True, exist_ok=True)
        write_in_one_step(self.path, json.dumps(asdict(content), indent=1, sort_keys=True) + "\n")
