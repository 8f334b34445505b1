"""One trial: a copy of a home, a process on it that is killed, and what the next run makes of that.

What belongs here: killing at a step and at a time, the next run, and asking the invariants after each. What does not:
which actions are killed how often, which is for ``reliability.kills``.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from city_index.settings import PROJECT_DIRECTORY, Settings
from reliability.invariants import after_fault, after_next_run, processes_of
from reliability.killing.child import RELEASES_KEPT
from reliability.killing.homes import settings_of

_TIMEOUT_SECONDS = 300


def _none(_settings: Settings) -> list[str]:
    return []


@dataclass(frozen=True)
class Scenario:
    """What is killed, on which home, and what has to hold.

    Attributes:
        group: the line of the table that its kills are counted in.
        name: what it is, in few words.
        template: the home that every trial begins with a copy of.
        action: what is killed: arguments of ``reliability.killing.child``.
        next_action: the next run.
        then: what a person does after that run, and what follows it; nothing by default.
        ingested: kind and SHA-256 of the files that lie in the landing folder, or have landed, before the action.
        damaged: the published files that are damaged before the action.
        afterwards: what else has to hold in the end.
        nothing_left: with what words the next run may refuse, because one like it had done everything before it was
            killed.
    """

    group: str
    name: str
    template: Path
    action: tuple[str, ...]
    next_action: tuple[str, ...]
    then: tuple[tuple[str, ...], ...] = ()
    ingested: Collection[tuple[str, str]] = ()
    damaged: Collection[str] = ()
    afterwards: Callable[[Settings], list[str]] = _none
    nothing_left: str | None = None


@dataclass
class Outcome:
    """How many kills a trial made, and what did not hold, one sentence each."""

    kills: int = 0
    violations: list[str] = field(default_factory=list)


class Trial:
    """One trial of a scenario in a folder of its own."""

    def __init__(self, scenario: Scenario, folder: Path, label: str) -> None:
        self._scenario = scenario
        self._label = f"{scenario.name}, {label}"
        self._temp = folder / "system-temp"
        self._temp.mkdir(parents=True)
        self._settings = settings_of(folder / "home", RELEASES_KEPT)
        self._outcome = Outcome()
        shutil.copytree(scenario.template, self._settings.home, symlinks=True)

    def start(self, action: tuple[str, ...], kill_at: int = 0) -> subprocess.Popen[str]:
        """Start a process on the home that ends itself at a step; at none where that is 0."""
        return subprocess.Popen(
            [sys.executable, "-m", "reliability.killing.child", str(self._settings.home), str(kill_at), *action],
            cwd=PROJECT_DIRECTORY,
            env={
                **os.environ,
                "CITY_INDEX_HOME": str(self._settings.home),
                "CITY_INDEX_LANDING_SETTLE_SECONDS": "0",
                "CITY_INDEX_RELEASES_KEPT": str(RELEASES_KEPT),
                "TMPDIR": str(self._temp),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def steps(self) -> int:
        """How many steps the action takes where nothing kills it."""
        process = self.start(self._scenario.action)
        said, problem = process.communicate(timeout=_TIMEOUT_SECONDS)
        if process.returncode != 0:
            raise RuntimeError(f"{self._scenario.name} fails without a kill: {problem[-500:]}")
        return int(said.split()[-1])

    def killed_at_step(self, kill_at: int, then_at: int = 0) -> Outcome:
        """Kill the action at a step; where asked for, kill the next run at a step too; then let the next run go."""
        self._killed(self.start(self._scenario.action, kill_at), None)
        if then_at:
            self._killed(self.start(self._scenario.next_action, then_at), None)
        return self._finish()

    def killed_after(self, seconds: float) -> Outcome:
        """Kill the action from outside after some time."""
        self._killed(self.start(self._scenario.action), seconds)
        return self._finish()

    def among_rivals(self, count: int, randomness: random.Random) -> Outcome:
        """Start the action so many times at once, and kill some of the processes at random times."""
        processes = [self.start(self._scenario.action) for _ in range(count)]
        doomed = randomness.sample(range(count), randomness.randint(1, max(1, count // 2)))
        for number in doomed:
            time.sleep(randomness.uniform(0.05, 0.5))
            self._outcome.kills += processes[number].poll() is None
            processes[number].kill()
        codes = [process.wait(timeout=_TIMEOUT_SECONDS) for process in processes]
        for process in processes:
            process.communicate()
        self._check(after_fault(self._settings, self._scenario.ingested, self._scenario.damaged))
        wrong = [code for code in codes if code not in (0, 5, -signal.SIGKILL)]
        self._check([f"a rival that was not killed ended with exit code {code} instead of 0 or 5" for code in wrong])
        if all(code == 5 for code in codes):
            self._check(["all rivals found the lock taken, and none of them had it"])
        return self._finish()

    def _killed(self, process: subprocess.Popen[str], seconds: float | None) -> None:
        if seconds is not None:
            time.sleep(seconds)
            process.kill()
        _said, problem = process.communicate(timeout=_TIMEOUT_SECONDS)
        if process.returncode == -signal.SIGKILL:
            self._outcome.kills += 1
        elif process.returncode != 0:
            self._check([f"ended with {process.returncode} before it was killed: {problem.strip()[-300:]}"])
        self._check(after_fault(self._settings, self._scenario.ingested, self._scenario.damaged))

    def _check(self, violations: list[str]) -> None:
        self._outcome.violations += [f"{self._label}: {violation}" for violation in violations]

    def _go(self, action: tuple[str, ...], nothing_left: str | None = None) -> None:
        process = self.start(action)
        _said, problem = process.communicate(timeout=_TIMEOUT_SECONDS)
        if process.returncode != 0 and not (nothing_left and nothing_left in problem):
            self._check([f"{' '.join(action)} fails afterwards: {problem.strip()[-300:]}"])

    def _finish(self) -> Outcome:
        """Let the next run go without help, and ask everything."""
        self._go(self._scenario.next_action, self._scenario.nothing_left)
        self._check(after_next_run(self._settings, self._scenario.ingested, self._temp))
        for action in self._scenario.then:
            self._go(action)
        if self._scenario.then:
            self._check(after_next_run(self._settings, self._scenario.ingested, self._temp))
        self._check(self._scenario.afterwards(self._settings))
        self._check([f"a process outlived its run: {process}" for process in processes_of(self._settings)])
        if not self._outcome.violations:
            shutil.rmtree(self._settings.home.parent)
        return self._outcome
