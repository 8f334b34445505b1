"""Whole nights that are killed: `city-index run`, at each of its stages and among rivals.

What belongs here: waiting until a run has come to a stage, killing it somewhere within, and letting the next run go.
Nights of one home follow one another, each with new input, and each kill meets what the one before left behind.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from city_index.checksums import file_sha256
from city_index.observability.events import log_files
from city_index.settings import PROJECT_DIRECTORY
from reliability.invariants import after_fault, after_next_run, processes_of
from reliability.killing.trials import Outcome
from reliability.scratch import ScratchHome

_TIMEOUT_SECONDS = 900
_POLL_SECONDS = 0.01

# Where a night is killed, in the order of a night: the event that is waited for, and the stage that it names.
POINTS = (
    ("process_started", None),
    ("run_started", None),
    ("stage_started", "landing"),
    ("stage_started", "inputs"),
    ("stage_started", "raw gate"),
    ("stage_started", "dbt build"),
    ("stage_finished", "dbt build"),
    ("stage_started", "marts gate"),
    ("stage_finished", "marts gate"),
    ("stage_started", "assemble"),
    ("stage_finished", "assemble"),
    ("stage_started", "report"),
    ("stage_started", "exports"),
    ("stage_started", "publish"),
    ("stage_finished", "publish"),
)

# How long after that a kill may come, in seconds; longer than a stage takes is a kill in the stage after it.
_LATEST = {"dbt build": 12.0, "report": 3.0, "exports": 3.0, "assemble": 3.0, "publish": 2.0}
_LATEST_OTHERS = 1.0


@dataclass(frozen=True)
class Point:
    """Where a night is killed: so many seconds after an event."""

    place: int
    seconds: float

    def __str__(self) -> str:
        event, stage = POINTS[self.place]
        return f"{self.seconds:.2f} s after {event.replace('_', ' ')} {stage or ''}".strip()


def deal(kills: int, in_a_row: int, randomness: random.Random) -> list[list[Point]]:
    """So many points in rows of so many, each point of a night as often as any other; a row is in a night's order."""
    places = [number % len(POINTS) for number in range(kills)]
    randomness.shuffle(places)
    points = []
    for place in places:
        event, stage = POINTS[place]
        latest = _LATEST.get(stage, _LATEST_OTHERS) if event == "stage_started" else _LATEST_OTHERS
        points.append(Point(place, randomness.uniform(0, latest)))
    rows = [points[start : start + in_a_row] for start in range(0, kills, in_a_row)]
    return [sorted(row, key=lambda point: point.place) for row in rows]


class Nights:
    """The nights of one home, which has a release."""

    def __init__(self, home: Path, randomness: random.Random, say: Callable[[str], None]) -> None:
        self._scratch = ScratchHome(home)
        self._settings = self._scratch.settings
        self._randomness = randomness
        self._say = say
        self._temp = home.with_name(f"{home.name}-system-temp")
        self._temp.mkdir()
        self._ingested: list[tuple[str, str]] = []
        self.outcome = Outcome()

    def row(self, points: list[Point]) -> None:
        """Bring new input, kill one night at each point in turn, and let the last one go."""
        self._bring_input()
        for point in points:
            self._kill(point)
        self._go()

    def rivals(self, count: int) -> None:
        """Start so many nights at once, kill some of them, and see that exactly the losers end with exit code 5."""
        self._bring_input()
        processes = [self._start() for _ in range(count)]
        for number in self._randomness.sample(range(count), self._randomness.randint(1, max(1, count // 2))):
            time.sleep(self._randomness.uniform(0.5, 6.0))
            self.outcome.kills += processes[number].poll() is None
            processes[number].kill()
        for process in processes:
            process.communicate(timeout=_TIMEOUT_SECONDS)
        started = {event["pid"] for event in self._events() if event["event"] == "run_started"}
        for process in processes:
            expected = 0 if process.pid in started else 5
            if process.returncode not in (expected, -signal.SIGKILL):
                had = "had the lock" if expected == 0 else "found the lock taken"
                self._check(f"{count} rivals", [f"one that {had} ended with exit code {process.returncode}"])
        self._check(f"{count} rivals", after_fault(self._settings, self._ingested))
        self._go()

    def _bring_input(self) -> None:
        self._scratch.ingest_a_correction(self._randomness.randint(1, 10**6))
        waiting = (self._settings.landing / "observations").glob("*.csv")
        self._ingested += [("observations", file_sha256(path)) for path in waiting]

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "city_index", "run"],
            cwd=PROJECT_DIRECTORY,
            env={**self._scratch.environment, "TMPDIR": str(self._temp)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _events(self) -> list[dict]:
        found = []
        for path in reversed(log_files(self._settings)):
            if path.is_file():
                lines = path.read_text(encoding="utf-8").splitlines()
                for line in lines:
                    try:
                        found.append(json.loads(line))
                    except ValueError:
                        continue  # the last line of a run that was killed
        return found

    def _has_come(self, process: subprocess.Popen[str], point: Point) -> bool:
        wanted, stage = POINTS[point.place]
        if wanted == "process_started":
            return True
        return any(
            event["pid"] == process.pid
            and event["event"] == wanted
            and (stage is None or str(event.get("stage", "")).startswith(stage))
            for event in self._events()
        )

    def _kill(self, point: Point) -> None:
        process = self._start()
        while process.poll() is None and not self._has_come(process, point):
            time.sleep(_POLL_SECONDS)
        try:
            process.wait(timeout=point.seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        _said, problem = process.communicate(timeout=_TIMEOUT_SECONDS)
        if process.returncode == -signal.SIGKILL:
            self.outcome.kills += 1
            self._say(f"a night killed {point}")
        elif process.returncode != 0:
            self._check(str(point), [f"a night ended with {process.returncode}: {problem.strip()[-300:]}"])
        self._check(str(point), after_fault(self._settings, self._ingested))

    def _go(self) -> None:
        process = self._start()
        _said, problem = process.communicate(timeout=_TIMEOUT_SECONDS)
        if process.returncode != 0:
            self._check("the next night", [f"ends with {process.returncode}: {problem.strip()[-300:]}"])
        self._check("after the next night", after_next_run(self._settings, self._ingested, self._temp))
        alive = processes_of(self._settings)
        self._check("after the next night", [f"a process outlived its run: {line}" for line in alive])

    def _check(self, where: str, violations: list[str]) -> None:
        self.outcome.violations += [f"{where}: {violation}" for violation in violations]
        for violation in violations:
            self._say(f"VIOLATION {where}: {violation}")


def first_night(home: Path) -> None:
    """Publish the first release of a home."""
    home.parent.mkdir(parents=True, exist_ok=True)
    ScratchHome(home).city_index("run")
