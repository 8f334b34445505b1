"""The observer of a run: turns what happens in it into events, and keeps the figures that its end is recorded with.

What belongs here: hearing of stages, gates, landings and releases. What does not: how events are written, or what
metrics are made of the figures.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from city_index import __version__
from city_index.checks import FAILED, PASSED, SKIPPED, WARNED, Check, count_by_status
from city_index.gates.client import GateClient
from city_index.landing.landing import LandingOutcome
from city_index.last_run import Measures
from city_index.observability.events import ERROR, INFO, WARNING, EventLog, last_event, new_run_id
from city_index.progress import Reporter
from city_index.releases.manifest import Manifest
from city_index.settings import Settings

# How many failed checks of a gate are events of their own.
_NAMED_CHECKS = 50

# The stages of single files are one stage to those who compare runs.
_LANDING_STAGE = "landing"


class RunObserver:
    """Hears what happens in one run.

    Attributes:
        run_id: the run.
        reporter: what the work reports to; it passes everything on to the reporter of the run.
    """

    def __init__(self, settings: Settings, what: str, reporter: Reporter) -> None:
        self.run_id = new_run_id()
        self.reporter: Reporter = _ObservedReporter(self, reporter)
        self._log = EventLog(settings, self.run_id, what, reporter.event)
        self._settings = settings
        self._began = time.monotonic()
        self._began_at_utc = datetime.now(UTC).isoformat(timespec="seconds")
        self._stage: tuple[str, float] | None = None
        self._stage_seconds: dict[str, float] = {}
        self._rows: dict[str, dict[str, int]] = {}
        self._checks: dict[str, int] = {}

    def started(self) -> None:
        """The run has the rebuild lock, so any run before it has ended; one that did not say so was killed."""
        before = last_event(self._settings)
        self._log.emit("run_started", version=__version__, environment=self._settings.environment)
        if before is not None and before["event"] != "run_finished":
            self._log.emit(
                "run_cut_short",
                cut_run_id=before.get("run_id"),
                last_event=before["event"],
                stage=before.get("stage"),
            )

    def stage_started(self, name: str, steps: int | None) -> None:
        """A stage begins."""
        self._stage = (name, time.monotonic())
        self._log.emit("stage_started", stage=name, steps=steps)

    def stage_finished(self, detail: str) -> None:
        """The stage that began last is done."""
        if self._stage is None:
            return
        name, seconds = self._stage[0], self._end_stage()
        self._log.emit("stage_finished", stage=name, seconds=round(seconds, 3), detail=detail)

    def _end_stage(self) -> float:
        name, began = self._stage
        self._stage = None
        seconds = time.monotonic() - began
        label = _LANDING_STAGE if name.startswith(f"{_LANDING_STAGE} ") else name
        self._stage_seconds[label] = round(self._stage_seconds.get(label, 0.0) + seconds, 3)
        return seconds

    def checked(self, gate: str, checks: Iterable[Check]) -> None:
        """A gate has given its results."""
        checks = list(checks)
        counts = count_by_status(checks)
        level = ERROR if counts[FAILED] else WARNING if counts[WARNED] else INFO
        self._log.emit("gate_result", level, gate=gate, **counts)
        broken = [check for check in checks if check.status in (FAILED, WARNED)]
        for check in sorted(broken, key=lambda check: check.status != FAILED)[:_NAMED_CHECKS]:
            self._log.emit(
                "check_failed",
                ERROR if check.status == FAILED else WARNING,
                gate=gate,
                check=check.name,
                asset=check.asset,
                status=check.status,
                observed=check.observed,
                threshold=check.threshold,
                detail=check.detail,
            )
        for status, number in counts.items():
            self._checks[status] = self._checks.get(status, 0) + number

    def landed(self, outcome: LandingOutcome) -> None:
        """A landing is over."""
        for batch in outcome.batches:
            record = batch.record
            rows = {
                "received": record.received_count,
                "accepted": record.accepted_count,
                "quarantined": record.quarantined_count,
            }
            self._log.emit(
                "batch_landed",
                WARNING if record.quarantined_count else INFO,
                file=record.file_name,
                kind=record.kind,
                batch_id=record.batch_id,
                **rows,
                reasons=batch.reasons,
                retry_of=record.retry_of,
            )
            total = self._rows.setdefault(record.kind, dict.fromkeys(rows, 0))
            for name, number in rows.items():
                total[name] += number
        for file in outcome.refused:
            self._log.emit("file_refused", file=file.file_name, kind=file.kind, reason=file.reason, detail=file.detail)
        for name, batch_id in outcome.repeated:
            self._log.emit("file_repeated", file=name, batch_id=batch_id)
        for name, reason in outcome.kept:
            self._log.emit("landing_noted", detail=f"{name}: landed, and cannot be moved to the archive: {reason}")
        for note in outcome.notes:
            self._log.emit("landing_noted", detail=note)

    def published(self, outcome: str, manifest: Manifest) -> None:
        """Readers have this release now; where they had it before, only the events from now on name it."""
        self._log.release_id = manifest.release_id
        if outcome != "unchanged":
            self._log.emit(
                "release_published",
                outcome=outcome,
                built_at_utc=manifest.built_at_utc,
                code_version=manifest.code_version,
                content_hash=manifest.content_hash,
                bytes=manifest.file_bytes,
            )

    def pruned(self, removed: dict[str, int], freed_bytes: int, problems: list[str]) -> None:
        """Retention has removed what it removes."""
        if removed:
            self._log.emit("retention_applied", removed=removed, bytes=freed_bytes)
        for problem in problems:
            self._log.emit("retention_failed", detail=problem)

    def finished(self, outcome: str, reason: str | None, checks: list[Check] | None) -> Measures:
        """The run has ended; gives its figures.

        Args:
            outcome: see LastRun, or stopped.
            reason: why it failed.
            checks: all results of a run that published; None where it did not.
        """
        if self._stage is not None:
            name, seconds = self._stage[0], self._end_stage()
            self._log.emit("stage_failed", stage=name, seconds=round(seconds, 3))
        if checks is not None:
            self._checks = count_by_status(checks)
        measures = Measures(
            started_at_utc=self._began_at_utc,
            seconds=round(time.monotonic() - self._began, 3),
            stage_seconds=self._stage_seconds,
            rows=self._rows,
            checks={status: self._checks.get(status, 0) for status in (PASSED, WARNED, FAILED, SKIPPED)},
            peak_memory_bytes=_peak_memory_bytes(),
        )
        self._log.emit(
            "run_finished",
            ERROR if outcome == "failed" else WARNING if outcome == "stopped" else INFO,
            outcome=outcome,
            reason=reason,
            seconds=measures.seconds,
            peak_memory_bytes=measures.peak_memory_bytes,
            lost_events=self._log.lost,
        )
        return measures


def _peak_memory_bytes() -> dict[str, int]:
    """The most memory that this process, and that the largest of its helpers that have ended, has had at once."""
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        name: resource.getrusage(who).ru_maxrss * unit
        for name, who in (("run", resource.RUSAGE_SELF), ("helper", resource.RUSAGE_CHILDREN))
    }


class _ObservedReporter:
    """Passes everything on to another reporter, and tells the observer of the stages."""

    def __init__(self, observer: RunObserver, inner: Reporter) -> None:
        self._observer = observer
        self._inner = inner

    def stage(self, name: str, total: int | None = None) -> None:
        self._inner.stage(name, total)
        self._observer.stage_started(name, total)

    def advance(self, steps: int = 1) -> None:
        self._inner.advance(steps)

    def finish(self, detail: str = "") -> None:
        self._inner.finish(detail)
        self._observer.stage_finished(detail)

    def event(self, line: str) -> None:
        self._inner.event(line)

    def close(self) -> None:
        self._inner.close()


class ObservedGates(GateClient):
    """The gates, whose results the observer hears of."""

    def __init__(self, settings: Settings, observer: RunObserver) -> None:
        super().__init__(settings)
        self._observer = observer

    def _ask(self, request: dict) -> list[Check]:
        checks = super()._ask(request)
        if "gate" in request:
            self._observer.checked(request["gate"], checks)
        return checks
