"""Dagster's processes, killed while the nightly job runs under them."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import dagster as dg

from city_index.releases import store
from city_index.settings import PROJECT_DIRECTORY
from reliability.faults.trials import Case, Home, Workshop

_START_SECONDS = 120
_NIGHT_SECONDS = 600
_ENDED = ("SUCCESS", "FAILURE", "CANCELED")

# What is killed, by the words of its command line; all of it where nothing is named.
_VICTIMS = {
    "the daemon": ("dagster._daemon",),
    "the run worker": ("spawn_main",),
    "the daemon and the run worker": ("dagster._daemon", "spawn_main"),
    "all of Dagster at once": (),
}


def cases() -> Iterator[Case]:
    """The cases of the group dagster."""
    for label, words in _VICTIMS.items():
        yield Case("dagster", f"{label} killed while a night runs", partial(_killed, words=words), True)


class Dagster:
    """`dagster dev` of a home, as `make dev` starts it."""

    def __init__(self, home: Home) -> None:
        self._home = home
        dagster_home = home.settings.dagster_home
        dagster_home.mkdir(exist_ok=True)
        if not (dagster_home / "dagster.yaml").exists():
            (dagster_home / "dagster.yaml").write_bytes((PROJECT_DIRECTORY / "dagster.yaml").read_bytes())
        self._environment = home.environment(DAGSTER_HOME=str(dagster_home))
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self._port = found.getsockname()[1]

    def start(self) -> None:
        """Start it, and wait until its daemon lives."""
        began = time.time()
        log = (self._home.settings.home.parent / "dagster.log").open("a")
        words = ["-m", "dagster", "dev", "--host", "127.0.0.1", "--port", str(self._port)]
        self.process = subprocess.Popen(
            [sys.executable, *words], cwd=PROJECT_DIRECTORY, env=self._environment, stdout=log, stderr=log
        )
        self.wait(lambda: self._heard() > began, _START_SECONDS, "its daemon did not start")

    def launch(self) -> None:
        """Start the nightly job."""
        words = ["-m", "dagster", "job", "launch", "-j", "nightly"]
        done = subprocess.run(
            [sys.executable, *words],
            cwd=PROJECT_DIRECTORY,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"the job could not be launched: {done.stderr[-300:]}")

    def runs(self) -> dict[str, str]:
        """Every run and its status, oldest first."""
        return dict(self._query("select run_id, status from runs order by id"))

    def failures(self) -> list[str]:
        """Why runs failed, as Dagster noted it; oldest first."""
        with dg.DagsterInstance.from_config(str(self._home.settings.dagster_home)) as instance:
            records = [
                record
                for run_id in self.runs()
                for kind in (dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE)
                for record in instance.get_records_for_run(run_id, of_type=kind).records
            ]
        return [f"{record.run_id[:8]}: {' '.join(record.event_log_entry.message.split())[:600]}" for record in records]

    def processes(self) -> dict[int, str]:
        """The processes of this Dagster, each with its command line."""
        found = {}
        mine = f"CITY_INDEX_HOME={self._home.settings.home}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if mine in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = words
        return found

    def kill(self, words: tuple[str, ...]) -> int:
        """Kill those of its processes whose command line holds one of the words, or all; gives how many."""
        victims = [pid for pid, line in self.processes().items() if not words or any(word in line for word in words)]
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not words:
            self.process.wait()
        return len(victims)

    def wait(self, until: Callable[[], bool], seconds: float, otherwise: str) -> None:
        """Wait for something.

        Raises:
            TimeoutError: it did not come about.
        """
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{otherwise} within {seconds:.0f} s; runs: {self.runs()}; {self.failures()}")
            time.sleep(0.5)

    def _heard(self) -> float:
        rows = self._query("select max(strftime('%s', timestamp)) from daemon_heartbeats")
        return float(rows[0][0] or 0) if rows else 0.0

    def _query(self, query: str) -> list[tuple]:
        path = self._home.settings.dagster_home / "history" / "runs.db"
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
                return connection.execute(query).fetchall()
        except sqlite3.Error:
            return []


def _killed(workshop: Workshop, words: tuple[str, ...]) -> list[str]:
    # Nothing is dropped: the sensor of the landing folder would start a night of its own.
    home = workshop.whole()
    dagster = Dagster(home)
    found = []
    dagster.start()
    before = set(dagster.runs())
    try:
        dagster.launch()
        building = home.settings.warehouse / "build" / "build.duckdb"
        building.unlink()
        dagster.wait(building.exists, _NIGHT_SECONDS, "the night did not begin to build")
        if not dagster.kill(words):
            found.append("there was nothing to kill")
        if any("daemon" in word for word in words):
            # `dagster dev` ends, with all that it started, where its daemon has ended.
            dagster.wait(lambda: dagster.process.poll() is not None, _START_SECONDS, "Dagster did not end")
        if dagster.process.poll() is not None:
            dagster.start()

        def all_ended() -> bool:
            mine = [status for run_id, status in dagster.runs().items() if run_id not in before]
            return "SUCCESS" in mine and all(status in _ENDED for status in mine)

        dagster.wait(all_ended, _NIGHT_SECONDS, "no run succeeded")
        mine = [status for run_id, status in dagster.runs().items() if run_id not in before]
        if len(mine) > 2:
            found.append(f"the job was started {len(mine)} times: {mine}")
    finally:
        dagster.kill(())
    if store.kept_releases(home.settings)[0].sequence < 2:
        found.append("nothing was published")
    return found + home.violations_after(home.run("run"))
