"""What became of the last rebuild: written at the end of each, read by status and doctor.

A rebuild that changes nothing publishes nothing, so the age of the release does not say whether the nights are running.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from city_index.durability import write_in_one_step
from city_index.settings import Settings


@dataclass(frozen=True)
class Measures:
    """The figures of a run.

    Attributes:
        started_at_utc: ISO 8601.
        seconds: how long it took.
        stage_seconds: how long each stage took; the landing of all files is one stage.
        rows: received, accepted and quarantined rows of what it landed, by kind.
        checks: how many checks ended in each status.
        peak_memory_bytes: the most memory of the process itself (run) and of its largest helper process (helper).
    """

    started_at_utc: str
    seconds: float
    stage_seconds: dict[str, float]
    rows: dict[str, dict[str, int]]
    checks: dict[str, int]
    peak_memory_bytes: dict[str, int]


@dataclass(frozen=True)
class LastRun:
    """The end of the last rebuild.

    Attributes:
        what: the command or Dagster run.
        ended_at_utc: ISO 8601.
        outcome: published, unchanged, restored or failed.
        reason: why it failed.
        succeeded_at_utc: when a rebuild last ended otherwise than failed; None where none did.
        run_id: the run, as in the log of events; None in records of older versions.
        measures: its figures; None in records of older versions.
        run_counts: how many rebuilds of this home ended in each outcome, since this is counted.
    """

    what: str
    ended_at_utc: str
    outcome: str
    reason: str | None
    succeeded_at_utc: str | None
    run_id: str | None = None
    measures: Measures | None = None
    run_counts: dict[str, int] = field(default_factory=dict)


def read_last_run(settings: Settings) -> LastRun | None:
    """The end of the last rebuild; None where there was none, or its record cannot be read."""
    try:
        found = json.loads((settings.home / "last_run.json").read_text(encoding="utf-8"))
        measures = found.pop("measures", None)
        record = LastRun(**found, measures=None if measures is None else _sound(Measures(**measures)))
        _demand_numbers(record.run_counts)
        datetime.fromisoformat(record.succeeded_at_utc or record.ended_at_utc)
        datetime.fromisoformat(record.ended_at_utc)
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return record


def _sound(measures: Measures) -> Measures:
    """The figures as they are.

    Raises:
        TypeError: one is of another type.
    """
    _demand_numbers({"seconds": measures.seconds})
    for numbers in (measures.stage_seconds, measures.checks, measures.peak_memory_bytes, *measures.rows.values()):
        _demand_numbers(numbers)
    return measures


def _demand_numbers(numbers: dict[str, float]) -> None:
    for number in numbers.values():
        if not isinstance(number, int | float):
            raise TypeError(f"{number!r} is not a number")


def write_last_run(
    settings: Settings,
    what: str,
    outcome: str,
    reason: str | None,
    run_id: str | None = None,
    measures: Measures | None = None,
) -> None:
    """Record the end of a rebuild."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    before = read_last_run(settings)
    succeeded = now if outcome != "failed" else (before.succeeded_at_utc if before else None)
    counts = dict(before.run_counts) if before else {}
    counts[outcome] = counts.get(outcome, 0) + 1
    record = LastRun(what, now, outcome, reason, succeeded, run_id, measures, counts)
    write_in_one_step(settings.home / "last_run.json", json.dumps(asdict(record), ensure_ascii=False, indent=1))
