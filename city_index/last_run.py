"""What became of the last rebuild: written at the end of each, read by status and doctor.

A rebuild that changes nothing publishes nothing, so the age of the release does not say whether the nights are running.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from city_index.settings import Settings


@dataclass(frozen=True)
class LastRun:
    """The end of the last rebuild.

    Attributes:
        what: the command or Dagster run.
        ended_at_utc: ISO 8601.
        outcome: published, unchanged, restored or failed.
        reason: why it failed.
        succeeded_at_utc: when a rebuild last ended otherwise than failed; None where none did.
    """

    what: str
    ended_at_utc: str
    outcome: str
    reason: str | None
    succeeded_at_utc: str | None


def read_last_run(settings: Settings) -> LastRun | None:
    """The end of the last rebuild; None where there was none, or its record cannot be read."""
    try:
        record = LastRun(**json.loads((settings.home / "last_run.json").read_text(encoding="utf-8")))
        datetime.fromisoformat(record.succeeded_at_utc or record.ended_at_utc)
        datetime.fromisoformat(record.ended_at_utc)
    except (OSError, ValueError, TypeError):
        return None
    return record


def write_last_run(settings: Settings, what: str, outcome: str, reason: str | None) -> None:
    """Record the end of a rebuild."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    before = read_last_run(settings)
    succeeded = now if outcome != "failed" else (before.succeeded_at_utc if before else None)
    record = LastRun(what, now, outcome, reason, succeeded)
    temporary = settings.home / ".last_run.json.tmp"
    temporary.write_text(json.dumps(asdict(record), ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(temporary, settings.home / "last_run.json")
