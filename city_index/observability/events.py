"""The events of runs: what each says, and the log that keeps them.

What belongs here: the list of events, and writing, rotating and reading ``logs/events.jsonl``. What does not: deciding
when something has happened, which is the observer's.

The log is written by whoever holds the rebuild lock, one line in one write, so a run that is killed leaves at most a
half line, and the next one begins a new line after it. A log that cannot be written never fails a run.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from city_index.settings import Settings

INFO, WARNING, ERROR = "info", "warning", "error"

# The log is this many files of at most so many bytes: the one that is written and the ones before it.
LOG_FILES = 5
LOG_BYTES = 4 << 20

# The longest text of a field; what is longer ends in three dots.
TEXT_LIMIT = 2000

# How many entries of a field that is a mapping are kept.
_ENTRY_LIMIT = 50

# The last event is looked for in so many bytes of a file.
_TAIL_BYTES = 1 << 18

# JSON leaves these as they are, and some readers take them for the end of a line.
_LINE_ENDS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@dataclass(frozen=True)
class EventKind:
    """A kind of event.

    Attributes:
        says: what has happened.
        fields: what each of its own fields holds.
        level: info, warning or error; the level of one event may be another.
    """

    says: str
    fields: dict[str, str]
    level: str = INFO


COMMON_FIELDS = {
    "ts": "when, UTC, ISO 8601 with milliseconds",
    "level": "info, warning or error",
    "event": "what happened, by the names below",
    "run_id": "the run: a UUID (version 7) that sorts by time; the same in `last_run.json`, in `last_run.log` and in "
    "the tag `city_index/run_id` of a Dagster run",
    "release_id": "the release that is published, once the run has published or found it; null before",
    "what": "the command, or the Dagster run",
    "pid": "the process",
}

EVENTS = {
    "run_started": EventKind(
        "a run has taken the rebuild lock",
        {"version": "version of the project", "environment": "`CITY_INDEX_ENV`"},
    ),
    "run_cut_short": EventKind(
        "the run before ended without a word: it was killed, or the machine was",
        {"cut_run_id": "that run", "last_event": "the last event that it wrote", "stage": "the stage of that event"},
        WARNING,
    ),
    "stage_started": EventKind("a stage begins", {"stage": "its name", "steps": "its number of steps; null: unknown"}),
    "stage_finished": EventKind(
        "a stage is done", {"stage": "its name", "seconds": "how long it took", "detail": "with what result"}
    ),
    "stage_failed": EventKind(
        "the run ended within a stage", {"stage": "its name", "seconds": "how long it had run"}, ERROR
    ),
    "batch_landed": EventKind(
        "a file of the landing folder has become a batch; a warning where rows were quarantined",
        {
            "file": "name of the file",
            "kind": "its kind",
            "batch_id": "the batch",
            "received": "rows of the file",
            "accepted": "rows accepted",
            "quarantined": "rows refused",
            "reasons": "rows refused for each reason",
            "retry_of": "the batch whose quarantined rows were accepted now; null for a file",
        },
    ),
    "file_refused": EventKind(
        "a file was not taken and stays in the landing folder",
        {"file": "its name", "kind": "its kind; null: unknown", "reason": "in few words", "detail": "what to do"},
        WARNING,
    ),
    "file_repeated": EventKind(
        "the bytes of a file had landed before; nothing changed",
        {"file": "its name", "batch_id": "the batch that they came with"},
    ),
    "landing_noted": EventKind("something about the landing that a person should know", {"detail": "what"}, WARNING),
    "gate_result": EventKind(
        "a gate has looked; an error where it refuses, a warning where a check warned",
        {
            "gate": "landed, raw, dbt or marts",
            "passed": "checks that passed",
            "warned": "checks that failed and are only recorded",
            "failed": "checks that failed and stop publishing",
            "skipped": "checks that could not apply",
        },
    ),
    "check_failed": EventKind(
        "a check failed, or warned (level warning); the first fifty of a gate",
        {
            "gate": "its gate",
            "check": "the claim",
            "asset": "table or file it is about",
            "status": "failed or warned",
            "observed": "what was found",
            "threshold": "what was expected",
            "detail": "the first offenders",
        },
        ERROR,
    ),
    "release_published": EventKind(
        "readers have this release now",
        {
            "outcome": "published, restored (its published copy was put back) or rolled_back",
            "built_at_utc": "when its build began",
            "code_version": "version and fingerprint of the code",
            "content_hash": "SHA-256 over its data tables",
            "bytes": "bytes of its published files",
        },
    ),
    "retention_applied": EventKind(
        "what is older than the settings allow was removed; not written where nothing was",
        {
            "removed": "how many of each kind: archived_batches, history_runs, history_events",
            "bytes": "bytes of the removed files",
        },
    ),
    "retention_failed": EventKind(
        "something could not be removed; the next run tries again", {"detail": "what and why"}, WARNING
    ),
    "run_finished": EventKind(
        "the run has ended; an error where it failed",
        {
            "outcome": "published, unchanged, restored, rolled_back or failed; stopped: single steps alone",
            "reason": "why it failed; null otherwise",
            "seconds": "how long it took",
            "peak_memory_bytes": "the most memory of the process itself (`run`) and of its largest helper (`helper`)",
            "lost_events": "events of this run that could not be written",
        },
    ),
}


def markdown_tables() -> str:
    """All events and their fields as Markdown, for the documentation."""
    lines = ["| Field of every event | Holds |", "|---|---|"]
    lines += [f"| `{name}` | {holds} |" for name, holds in COMMON_FIELDS.items()]
    lines += ["", "| Event | Level | Says | Own fields |", "|---|---|---|---|"]
    for name, kind in EVENTS.items():
        fields = "; ".join(f"`{field}`: {holds}" for field, holds in kind.fields.items())
        lines.append(f"| `{name}` | {kind.level} | {kind.says} | {fields} |")
    return "\n".join(lines)


def new_run_id() -> str:
    """A UUID of version 7: its first digits are the time, so that ids sort as the runs began."""
    milliseconds = time.time_ns() // 1_000_000 & ((1 << 48) - 1)
    value = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def log_files(settings: Settings) -> list[Path]:
    """The files of the log, newest first, whether they are there or not."""
    folder = settings.logs
    return [folder / "events.jsonl", *(folder / f"events.{number}.jsonl" for number in range(1, LOG_FILES))]


class EventLog:
    """The events of one run.

    Attributes:
        release_id: what the events from now on say of the release; None where it is not known.
        lost: how many events could not be written.
    """

    def __init__(self, settings: Settings, run_id: str, what: str, echo: Callable[[str], None]) -> None:
        """Write into the log of a home; each line is also given to ``echo``."""
        self._settings = settings
        self._run_id = run_id
        self._what = what
        self._echo = echo
        self.release_id: str | None = None
        self.lost = 0

    def emit(self, event: str, level: str | None = None, **fields: Any) -> None:
        """Write one event of EVENTS; ``fields`` are its own."""
        record = {
            "ts": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": level or EVENTS[event].level,
            "event": event,
            "run_id": self._run_id,
            "release_id": self.release_id,
            "what": self._what,
            "pid": os.getpid(),
            **fields,
        }
        line = as_line({name: _tidy(value, self._settings) for name, value in record.items()})
        with suppress(OSError):  # who listens may have gone; the log has the event
            self._echo(line)
        try:
            _append(self._settings, line)
        except OSError:
            self.lost += 1


def as_line(record: dict[str, Any]) -> str:
    """A record as one line of JSON."""
    text = json.dumps(record, ensure_ascii=False, default=str)
    for character, escaped in _LINE_ENDS.items():
        text = text.replace(character, escaped)
    # A name may hold bytes that are no text; they become what JSON writes for them.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _tidy(value: Any, settings: Settings) -> Any:
    """A value as it may stand in the log: no secret in it, and of bounded length."""
    if isinstance(value, str):
        text = without_secrets(value, settings)
        return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}..."
    if isinstance(value, dict):
        entries = list(value.items())[:_ENTRY_LIMIT]
        return {_tidy(str(name), settings): _tidy(entry, settings) for name, entry in entries}
    return value


def without_secrets(text: str, settings: Settings) -> str:
    """A text without the address of the webhook, of which the path and what follows are the secret."""
    if settings.webhook_url is None:
        return text
    _scheme, _separator, rest = settings.webhook_url.partition("://")
    _host, _separator, path = rest.partition("/")
    for secret in (settings.webhook_url, rest, path):
        # A short path is no secret, and may stand anywhere by chance.
        if len(secret) >= 8:
            text = text.replace(secret, "[webhook]")
    return text


def _append(settings: Settings, line: str) -> None:
    """Add a line to the log in one write, in a file of its own line; rotates a full file first."""
    path = settings.logs / "events.jsonl"
    data = line.encode("utf-8") + b"\n"
    settings.logs.mkdir(parents=True, exist_ok=True)
    descriptor = _open(path)
    try:
        size = os.fstat(descriptor).st_size
        if size and size + len(data) > LOG_BYTES:
            os.close(descriptor)
            descriptor = -1
            _rotate(settings)
            descriptor = _open(path)
            size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data
        written = os.write(descriptor, data)
        if written != len(data):
            raise OSError(f"only {written} of {len(data)} bytes were written")
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)


def _rotate(settings: Settings) -> None:
    files = log_files(settings)
    for newer, older in reversed(list(pairwise(files))):
        if newer.exists():
            os.replace(newer, older)


def last_event(settings: Settings) -> dict[str, Any] | None:
    """The newest whole event of the log; None where there is none."""
    for path in log_files(settings):
        try:
            with path.open("rb") as stream:
                stream.seek(max(stream.seek(0, os.SEEK_END) - _TAIL_BYTES, 0))
                lines = stream.read().split(b"\n")
        except OSError:
            continue
        for line in reversed(lines):
            record = _event(line)
            if record is not None:
                return record
    return None


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and record.get("event") in EVENTS else None


def read_events(settings: Settings) -> Iterator[dict[str, Any]]:
    """The events that the log of a home holds, oldest first; what is no whole event is passed over."""
    for path in reversed(log_files(settings)):
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError:
            continue
        for line in lines:
            record = _event(line)
            if record is not None:
                yield record
