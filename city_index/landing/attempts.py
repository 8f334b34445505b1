"""Which file a landing is reading, noted in the home, so that a file that kills its reader does not do so every night.

What belongs here: the note, and the refusal that it leads to. A crash inside a library, or the system that is out of
memory, ends the process without a word; only the note tells the next landing which file it was.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from city_index.durability import write_in_one_step
from city_index.landing.door import Arrival, RefusedFile
from city_index.settings import Settings

# A power cut or a kill may meet any file; one that so many landings in a row were killed at is refused.
KILLS_TO_REFUSE = 3


class Attempts:
    """The note of one landing. What cannot be read or written of it is passed over: it only helps."""

    def __init__(self, settings: Settings, arrivals: list[Arrival]) -> None:
        """Take over what the landings before noted of the files that are there still, as they were then."""
        self._path = attempts_file(settings)
        self._reading: str | None = None
        self._killed: dict[str, int] = {}
        found = _read(self._path)
        here = {_identity(arrival) for arrival in arrivals}
        for identity, count in found["killed"].items():
            if identity in here:
                self._killed[identity] = count
        if found["reading"] in here:
            self._killed[found["reading"]] = self._killed.get(found["reading"], 0) + 1

    def refusal(self, arrival: Arrival) -> RefusedFile | None:
        """The refusal of a file that the landings before were killed at; None where it may be read."""
        count = self._killed.get(_identity(arrival), 0)
        if count < KILLS_TO_REFUSE:
            return None
        return RefusedFile(
            arrival.name,
            arrival.kind,
            "ends the run",
            f"the last {count} runs that read it were killed while they did; see whether memory suffices and the file "
            "is what it should be; it is tried again once it has changed (`touch` is enough)",
        )

    def begin(self, arrival: Arrival) -> None:
        """Note that a file is being read from now on."""
        self._reading = _identity(arrival)
        self._write()

    def end(self, arrival: Arrival) -> None:
        """The file has been read, whatever came of it; the next note, or the end of the landing, says so."""
        self._reading = None
        self._killed.pop(_identity(arrival), None)

    def close(self) -> None:
        """No file is being read any more; the note goes, unless a file is refused or was killed at."""
        self._reading = None
        if self._killed:
            self._write()
        else:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        with suppress(OSError):
            write_in_one_step(self._path, json.dumps({"reading": self._reading, "killed": self._killed}))


def attempts_file(settings: Settings) -> Path:
    """Where the note stands."""
    return settings.home / "landing_attempts.json"


def _identity(arrival: Arrival) -> str:
    """Which file it is, as it is now."""
    return json.dumps([arrival.name, arrival.size, arrival.modified_ns, arrival.inode])


def _read(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        killed = {str(identity): int(count) for identity, count in found["killed"].items()}
        return {"reading": str(found["reading"]), "killed": killed}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {"reading": None, "killed": {}}
