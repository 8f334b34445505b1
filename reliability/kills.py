"""Kills: landings, ingests, publications, rollbacks and whole nights ended with SIGKILL at every step and at any time.

``python -m reliability.kills [--long] [--write] [--seed N] [--only GROUP ...]``

After each kill the invariants are asked, then the next run goes without help, and all are asked again. What belongs
here: how often each scenario is killed, and the table. The scenarios are in ``reliability.killing``.
"""

from __future__ import annotations

import argparse
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from reliability.killing.nights import Nights, deal, first_night
from reliability.killing.scenarios import (
    ASSEMBLING,
    INGEST,
    LANDING,
    MENDING,
    PUBLISHING,
    ROLLBACK,
    small_scenarios,
)
from reliability.killing.trials import Outcome, Scenario, Trial
from reliability.page import provenance, table, write_section

NIGHTS, RIVALS = "whole nights", "among rivals"
GROUPS = (LANDING, INGEST, PUBLISHING, MENDING, ROLLBACK, ASSEMBLING, NIGHTS, RIVALS)

# Two trials go at once: each is a process that waits for the disk for half of its time.
_WORKERS = 2

# Of so many trials one has its next run killed too.
_DOUBLED = 4


@dataclass(frozen=True)
class Plan:
    """How often is killed.

    Attributes:
        at_steps: for each group, at how many steps of each of its scenarios; at all of them where there are fewer.
        at_random: how many times at a random moment, for each scenario.
        rivals: for how many landings among rivals, each with how many.
        nights: at how many points whole nights are killed.
        in_a_row: how many nights are killed one after the other before one is let go.
        night_rivals: how many nights are started at once, for each try.
    """

    at_steps: dict[str, int]
    at_random: int
    rivals: Sequence[int] = ()
    nights: int = 0
    in_a_row: int = 3
    night_rivals: Sequence[int] = ()


SHORT = Plan(
    at_steps={LANDING: 5, INGEST: 2, PUBLISHING: 4, MENDING: 1, ROLLBACK: 2, ASSEMBLING: 2},
    at_random=0,
    rivals=(3,),
)
LONG = Plan(
    at_steps={LANDING: 110, INGEST: 30, PUBLISHING: 90, MENDING: 12, ROLLBACK: 24, ASSEMBLING: 30},
    at_random=3,
    rivals=tuple(range(2, 9)) * 2,
    nights=30,
    night_rivals=(2, 5, 8),
)


@dataclass
class Tally:
    """What was tried, by group.

    Attributes:
        kills: how many processes were killed.
        violations: what did not hold, one sentence each.
    """

    kills: dict[str, int] = field(default_factory=dict)
    violations: dict[str, list[str]] = field(default_factory=dict)

    def add(self, group: str, outcome: Outcome) -> None:
        """Count the outcome of a trial."""
        self.kills[group] = self.kills.get(group, 0) + outcome.kills
        self.violations.setdefault(group, []).extend(outcome.violations)

    @property
    def all_kills(self) -> int:
        """Kills of all groups."""
        return sum(self.kills.values())

    @property
    def all_violations(self) -> list[str]:
        """Violations of all groups."""
        return [violation for group in self.violations.values() for violation in group]

    def rows(self) -> list[tuple[str, int, int]]:
        """Group, kills and violations of each group, and of all."""
        rows = [(group, self.kills[group], len(self.violations[group])) for group in GROUPS if group in self.kills]
        return [*rows, ("all", self.all_kills, len(self.all_violations))]


def kill_small(plan: Plan, folder: Path, seed: int, tally: Tally, only: Iterable[str] = GROUPS) -> None:
    """Kill the scenarios of small homes.

    Args:
        plan: how often.
        folder: an empty folder to work in.
        seed: of the choice of steps and moments.
        tally: gets what was tried.
        only: the groups.
    """
    wanted = set(only)
    scenarios = small_scenarios(folder / "templates")
    with ThreadPoolExecutor(_WORKERS) as pool:
        tasks: list[tuple[str, Callable[[], Outcome]]] = []
        for number, scenario in enumerate(scenarios):
            if scenario.group in wanted:
                randomness = random.Random(f"{seed} {number}")
                tasks += _trials(plan, scenario, folder / f"trials-{number}", randomness)
            if scenario.group == LANDING and RIVALS in wanted:
                randomness = random.Random(f"{seed} rivals")
                tasks += _rival_trials(plan, scenario, folder / "rivals", randomness)
        for group, outcome in pool.map(lambda task: (task[0], task[1]()), tasks):
            tally.add(group, outcome)
            for violation in outcome.violations:
                print(f"VIOLATION {group}: {violation}", flush=True)


def _trials(
    plan: Plan, scenario: Scenario, folder: Path, randomness: random.Random
) -> list[tuple[str, Callable[[], Outcome]]]:
    began = time.monotonic()
    steps = Trial(scenario, folder / "counted", "counted").steps()
    seconds = time.monotonic() - began
    chosen = list(range(1, steps + 1))
    if len(chosen) > plan.at_steps[scenario.group]:
        chosen = sorted(randomness.sample(chosen, plan.at_steps[scenario.group]))

    def at_step(kill_at: int, then_at: int) -> Callable[[], Outcome]:
        label = f"killed at step {kill_at} of {steps}" + (f", the next run at step {then_at}" if then_at else "")
        return lambda: Trial(scenario, folder / f"step-{kill_at}", label).killed_at_step(kill_at, then_at)

    def at_moment(number: int, after: float) -> Callable[[], Outcome]:
        label = f"killed after {after:.2f} s"
        return lambda: Trial(scenario, folder / f"moment-{number}", label).killed_after(after)

    # The next run may take fewer steps; then it goes through.
    trials = [
        at_step(kill_at, randomness.randint(1, steps) if randomness.randrange(_DOUBLED) == 0 else 0)
        for kill_at in chosen
    ]
    trials += [at_moment(number, randomness.uniform(0.3, seconds)) for number in range(plan.at_random)]
    return [(scenario.group, trial) for trial in trials]


def _rival_trials(
    plan: Plan, scenario: Scenario, folder: Path, randomness: random.Random
) -> list[tuple[str, Callable[[], Outcome]]]:
    def among(number: int, count: int, own: random.Random) -> Callable[[], Outcome]:
        return lambda: Trial(scenario, folder / str(number), f"{count} rivals").among_rivals(count, own)

    return [
        (RIVALS, among(number, count, random.Random(randomness.random()))) for number, count in enumerate(plan.rivals)
    ]


def kill_nights(plan: Plan, home: Path, seed: int, tally: Tally, only: Iterable[str] = GROUPS) -> None:
    """Kill whole nights of a home that has a release; see ``kill_small``."""
    randomness = random.Random(f"{seed} nights")
    nights = Nights(home, randomness, lambda line: print(line, flush=True))
    if NIGHTS in set(only):
        for row in deal(plan.nights, plan.in_a_row, randomness):
            nights.row(row)
    tally.add(NIGHTS, nights.outcome)
    nights.outcome = Outcome()
    if RIVALS in set(only):
        for count in plan.night_rivals:
            nights.rivals(count)
    tally.add(RIVALS, nights.outcome)


def main() -> int:
    """Run the proof; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reliability.kills", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--long", action="store_true", help="some 500 kills, whole nights among them")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/reliability.md")
    parser.add_argument("--seed", type=int, help="of the choice of steps and moments; a random one by default")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, help="these groups alone")
    given = parser.parse_args()
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    plan, tally = (LONG if given.long else SHORT), Tally()
    print(f"seed {seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="city-index-kills-"))
    began = time.monotonic()
    kill_small(plan, folder, seed, tally, given.only)
    print(f"small homes: {tally.all_kills} kills in {time.monotonic() - began:.0f} s", flush=True)
    if (plan.nights and NIGHTS in given.only) or (plan.night_rivals and RIVALS in given.only):
        first_night(folder / "nights" / "home")
        kill_nights(plan, folder / "nights" / "home", seed, tally, given.only)
    figures = table(("killed", "kills", "violations"), tally.rows())
    print(f"{figures}\nall kills: {tally.all_kills}, violations: {len(tally.all_violations)}, seed {seed}")
    if given.write:
        command = f"python -m reliability.kills{' --long' if given.long else ''} --seed {seed}"
        write_section("kills", f"{figures}\n\n{provenance(command)}")
    if tally.all_violations:
        print(f"what was left of the homes is in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
