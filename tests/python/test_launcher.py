"""Whether a run's process lives: what the daemon hears decides whether the run is ended and started anew."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.launcher import WorkerStatus

from city_index.settings import PROJECT_DIRECTORY
from orchestration.launcher import LocalRunLauncher, lives, note_process, process_start


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with the launcher of dagster.yaml."""
    shutil.copyfile(PROJECT_DIRECTORY / "dagster.yaml", tmp_path / "dagster.yaml")
    with dg.DagsterInstance.from_config(str(tmp_path)) as opened:
        assert isinstance(opened.run_launcher, LocalRunLauncher)
        assert opened.run_launcher.supports_check_run_worker_health
        yield opened


def started_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    run = dg.DagsterRun(job_name="nightly", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    return run


def health(instance: dg.DagsterInstance, run: dg.DagsterRun) -> WorkerStatus:
    return instance.run_launcher.check_run_worker_health(run).status


def test_a_run_whose_process_is_gone_is_told_from_one_that_works(instance: dg.DagsterInstance) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    run = started_run(instance)
    assert health(instance, run) == WorkerStatus.RUNNING
    instance.report_engine_event("Started process", run, EngineEventData.in_process(sleeper.pid))
    assert health(instance, run) == WorkerStatus.RUNNING
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert health(instance, run) == WorkerStatus.NOT_FOUND or not Path("/proc").exists()
    sleeper.wait()
    assert health(instance, run) == WorkerStatus.NOT_FOUND


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not say when a process started")
def test_another_process_of_the_same_number_is_not_the_run(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started_run(instance)
    instance.report_engine_event("Started process", run, EngineEventData.in_process(os.getpid()))
    note_process(instance, run)
    instance.report_engine_event("Executing steps", run, EngineEventData.in_process(os.getpid()))
    assert health(instance, run) == WorkerStatus.RUNNING
    boot, ticks = process_start(os.getpid()).split()
    # No clock is asked: the mark is of this boot and its ticks, which nobody can set.
    assert lives(os.getpid(), f"{boot} {ticks}")
    assert not lives(os.getpid(), f"{boot} {int(ticks) - 1}") and not lives(os.getpid(), f"another-boot {ticks}")
    monkeypatch.setattr("orchestration.launcher.process_start", lambda process: f"{boot} {int(ticks) + 1}")
    assert health(instance, run) == WorkerStatus.NOT_FOUND
