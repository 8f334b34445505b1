"""The launcher of runs, with the one thing that Dagster's own lacks: it can say whether a run's process still lives.

What belongs here: noting the process of a run, and looking at it. Starting it is left to Dagster. Where a machine, or
Dagster as a whole, was killed, nobody is left who saw the process end; without this the run would look started for
hours, and hold the place of the next one all the while.

Whoever looks has to see the processes of those who run: daemon and code server share a machine and a PID namespace.
"""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
from dagster._core.events import EngineEventData
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus

_PID = "pid"
_STARTED = "process_start"


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's launcher of processes on this machine, whose runs are ended where their process is gone."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes: Dagster's monitoring asks, and fails a run whose process is gone, which starts it once more."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process of a started run lives."""
        found = self._process(run.run_id)
        if found is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "it has not said in which process it runs")
        process, started = found
        if lives(process, started):
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"process {process}")
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"process {process} is gone")

    def _process(self, run_id: str) -> tuple[int, str | None] | None:
        """The process in which a run said last that it works, and when that one started where it said so."""
        process = None
        for entry in reversed(self._instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)):
            metadata = entry.dagster_event.event_specific_data.metadata
            pid = str(metadata[_PID].value) if _PID in metadata else ""
            if not pid.isdigit() or process not in (None, int(pid)):
                continue
            process = int(pid)
            if _STARTED in metadata:
                return process, str(metadata[_STARTED].value)
        return None if process is None else (process, None)


def note_process(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Note in the events of a run that it works in this process, so that no other one is ever taken for it."""
    started = process_start(os.getpid())
    if started is not None:
        metadata = {_PID: dg.MetadataValue.text(str(os.getpid())), _STARTED: dg.MetadataValue.text(started)}
        instance.report_engine_event("The rebuild session is open", run, EngineEventData(metadata=metadata))


def lives(process: int, started: str | None) -> bool:
    """Whether a process lives, and is the one that started then, as ``process_start`` says it; None: not known."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    found = process_start(process)
    return found is None or (found != "" and started in (None, found))


def process_start(process: int) -> str | None:
    """When a process started: the boot of the system, and ticks since; neither moves when the clock is set.

    Empty where it has ended and nobody has asked how; None where the system does not say.
    """
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return "" if fields[0] == "Z" else f"{boot} {fields[19]}"
