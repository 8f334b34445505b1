"""The launcher of runs, with the one thing that Dagster's own lacks: it can say whether a run's process still lives.

What belongs here: looking at the process of a run. Starting it is left to Dagster. Where a machine, or Dagster as a
whole, was killed, nobody is left who saw the process end; without this the run would look started for hours, and hold
the place of the next one all the while.
"""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus

# How much later than the event that names it a process may seem to have started: clocks are set, and ticks are coarse.
_GRACE_SECONDS = 60


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
        process, noted = found
        if lives(process, noted):
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"process {process}")
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"process {process} is gone")

    def _process(self, run_id: str) -> tuple[int, float] | None:
        """The process in which a run said that it works, and when it said so, in seconds since 1970."""
        for entry in reversed(self._instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)):
            pid = entry.dagster_event.event_specific_data.metadata.get("pid")
            if pid is not None and str(pid.value).isdigit():
                return int(pid.value), entry.timestamp
        return None


def lives(process: int, noted: float) -> bool:
    """Whether a process lives, and is the one that had this number at that time, in seconds since 1970."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    started = _started_at(process)
    return started is None or started <= noted + _GRACE_SECONDS


def _started_at(process: int) -> float | None:
    """When a process started, in seconds since 1970; None where the system does not say."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        if fields[0] == "Z":
            return float("inf")  # it has ended, and nobody has asked how
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    except (OSError, StopIteration):
        return None
    return int(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
