"""How things are measured: commands in processes of their own, two or more sides in turn, and what is said of it.

What belongs here: timing, peaks of memory, ratios of pairs, the exponent of growth, and the shape of a figure. What
does not: what is compared with what, and where the figures are written.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from city_index.errors import CityIndexError
from city_index.settings import PROJECT_DIRECTORY

LAUNCHER = Path(__file__).with_name("launcher.py")

GIB = 1 << 30

# How long one run of one side may take.
LONGEST_SECONDS = 4 * 3600

# What the launcher ends with where its command was killed with SIGKILL, as a system without memory does.
KILLED = 256 - signal.SIGKILL
_OUT_OF_MEMORY = re.compile("out of memory|MemoryError|Unable to allocate|failed to allocate", flags=re.IGNORECASE)

T = TypeVar("T")

RATIO, SHARE, BYTES, EXPONENT, RATE, SECONDS = "ratio", "share", "bytes", "exponent", "rows/s", "s"

MET, MISSED, NO_TARGET = "met", "missed", ""


class BrokenBenchmark(CityIndexError):
    """A benchmark that says nothing: a side failed, or two sides that must give the same results do not."""


class NotReached(BrokenBenchmark):
    """A side that does not come to an end at this size: it ran out of memory, or out of the time that it is given."""


@dataclass(frozen=True)
class Run:
    """One run of a command.

    Attributes:
        seconds: wall time, from starting its process to its end.
        processor_seconds: processor time of the process and the children that it waited for.
        peak_bytes: the most resident memory of one process: the command's own, or a child's.
        said: its standard output.
    """

    seconds: float
    processor_seconds: float
    peak_bytes: int
    said: str


@dataclass(frozen=True)
class Figure:
    """One figure of a benchmark.

    Attributes:
        name: what is measured, in words; unique within its benchmark.
        value: in the unit; None where a side did not come to an end, which misses every target.
        unit: ratio, share, bytes, exponent, rows/s or s.
        target: what the value may come to at most; None where there is no target.
        stretch: a harder target, to be aimed at; None where there is none.
        reason: why a target is missed, as far as the measurement itself tells.
        group: what figures of one chart share, such as a number of cities; empty where there is none.
    """

    name: str
    value: float | None
    unit: str
    target: float | None = None
    stretch: float | None = None
    reason: str = ""
    group: str = ""

    @property
    def status(self) -> str:
        """Whether the target is met or missed; empty where there is none."""
        if self.target is None:
            return NO_TARGET
        return MET if self.value is not None and self.value <= self.target else MISSED


@dataclass(frozen=True)
class Findings:
    """What a benchmark found.

    Attributes:
        figures: its figures, in the order in which people read them.
        details: all else that is worth keeping, such as the ratio of each pair.
        notes: what has to be said beside the figures, one sentence each.
    """

    figures: list[Figure]
    details: dict[str, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """How a benchmark is to be run.

    Attributes:
        folder: an empty folder for all that it writes; removed afterwards.
        is_short: try everything at small sizes; the figures say nothing of the targets.
        pairs: how often the sides take turns; None for each benchmark's own number.
    """

    folder: Path
    is_short: bool = False
    pairs: int | None = None

    def choose(self, short: object, long: object) -> object:
        """One of two, by the form."""
        return short if self.is_short else long

    def pair_count(self, long: int) -> int:
        """How often the sides take turns."""
        return self.pairs or (1 if self.is_short else long)


def run(command: Sequence[object], environment: Mapping[str, str] | None = None) -> Run:
    """Run a command in the project's folder and measure it.

    Args:
        command: the command and its arguments.
        environment: what is added to the environment of this process.

    Raises:
        NotReached: it ran out of memory, or for longer than ``LONGEST_SECONDS``.
        BrokenBenchmark: it ended with another error; the message has its last words.
    """
    with tempfile.NamedTemporaryFile(suffix=".json") as result:
        launched = subprocess.Popen(
            [sys.executable, "-I", "-S", LAUNCHER, result.name, *map(str, command)],
            cwd=PROJECT_DIRECTORY,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            said, told = launched.communicate(timeout=LONGEST_SECONDS)
        except BaseException as error:
            os.killpg(launched.pid, signal.SIGKILL)  # the command and what it started, which nobody waits for now
            launched.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise NotReached(f"{_told(command)} took more than {LONGEST_SECONDS} s") from None
            raise
        if launched.returncode != 0:
            last = " ".join(f"{said[-1500:]} {told[-1500:]}".split())
            is_out_of_memory = launched.returncode == KILLED or _OUT_OF_MEMORY.search(last)
            raise (NotReached if is_out_of_memory else BrokenBenchmark)(
                f"{_told(command)} ended with {launched.returncode}: {last}"
            )
        return Run(**json.loads(Path(result.name).read_text(encoding="utf-8")), said=said)


def _told(command: Sequence[object]) -> str:
    return " ".join(map(str, command))


def in_turn(sides: Mapping[str, Callable[[], T]], pairs: int) -> dict[str, list[T]]:
    """What each side gives when all run in turn: A B A B, so that a machine whose speed drifts slows all of them."""
    found: dict[str, list[T]] = {name: [] for name in sides}
    for _pair in range(pairs):
        for name, side in sides.items():
            found[name].append(side())
    return found


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """The ratio of each pair, rounded to thousandths."""
    return [round(above / below, 3) for above, below in zip(over, under, strict=True)]


def median_ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """The median of the ratios of the pairs."""
    return statistics.median(ratios(over, under))


def exponent_of_growth(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The slope of log(seconds) over log(sizes), by least squares: 1 where time grows as the size does."""
    xs, ys = [math.log(size) for size in sizes], [math.log(each) for each in seconds]
    return round(statistics.linear_regression(xs, ys).slope, 3)


def in_words(shares: Mapping[str, float], count: int = 3) -> str:
    """The largest shares, as ``build 61 %, gates 20 %``."""
    largest = sorted(shares.items(), key=lambda share: -share[1])[:count]
    return ", ".join(f"{name} {share:.0%}".replace("%", " %") for name, share in largest)
