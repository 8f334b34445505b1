"""Many nightly runs in a row with changing input: `python -m reliability.soak`.

Each night something else lands: a correction most nights, a file with refused rows every fifth, one that came before
every seventh, nothing every tenth. After each night the invariants of reliability/invariants.py are checked, and what
could grow is measured: memory, run time, files and bytes of each part of the home. What grew is judged by the slope
over the nights after the first ones, in which kept releases and histories fill up to their limits.

The nights are written down one by one in the home's neighbour ``nights.jsonl``; with ``--home`` a soak that was cut
short goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from city_index.hashing import file_sha256
from city_index.releases import store
from city_index.settings import PROJECT_DIRECTORY, Settings
from reliability.invariants import after_next_run
from reliability.page import provenance, table, write_section
from reliability.scratch import ScratchHome
from reliability.slopes import LEAST_NIGHTS, Slope, slope

LONG_NIGHTS = 200
SHORT_NIGHTS = 8

# The limits that fill up first, so that the nights after them are many; and the nights in which they do.
_LIMITS = {"CITY_INDEX_RELEASES_KEPT": "5", "CITY_INDEX_HISTORY_RUNS": "20", "CITY_INDEX_ARCHIVE_BYTES": "2000"}
_FIRST_NIGHTS = 25

_REFUSED_EVERY, _REPEATED_EVERY, _NOTHING_EVERY = 5, 7, 10


@dataclass(frozen=True)
class Night:
    """What was measured after one night.

    Attributes:
        number: of the night, from 1.
        outcome: published, unchanged or failed.
        seconds: how long it took.
        processor_seconds: how long it and all its helpers had a processor, which a busy machine bends less.
        memory_bytes: the most that any one process of it had in memory.
        sizes: bytes of each part of the home.
        counts: files of each part of the home, and the kept releases.
        violations: broken invariants, one sentence each.
        ingested: kind and SHA-256 of what was put into the landing folder before it.
    """

    number: int
    outcome: str
    seconds: float
    processor_seconds: float
    memory_bytes: int
    sizes: dict[str, int]
    counts: dict[str, int]
    violations: list[str] = field(default_factory=list)
    ingested: list[list[str]] = field(default_factory=list)


# What is judged: its name, its unit, and how it is read off a night. What lands is kept for good, so raw/ and
# quarantine/ are shown and not judged; logs are bounded by their size, which so few nights do not reach.
_JUDGED: dict[str, tuple[str, Callable[[Night], float]]] = {
    "run time": ("s", lambda night: night.seconds),
    "processor time": ("s", lambda night: night.processor_seconds),
    "memory of the largest process": ("MB", lambda night: night.memory_bytes / 1e6),
    "published database and files": ("MB", lambda night: night.sizes["published"] / 1e6),
    "kept releases, bytes": ("MB", lambda night: night.sizes["releases"] / 1e6),
    "kept releases, number": ("", lambda night: night.counts["kept releases"]),
    "warehouse": ("MB", lambda night: night.sizes["warehouse"] / 1e6),
    "Dagster's storage": ("MB", lambda night: night.sizes["dagster"] / 1e6),
    "archive of landed files": ("kB", lambda night: night.sizes["archive"] / 1e3),
    "everything else, metrics and records of runs": ("MB", lambda night: night.sizes["elsewhere"] / 1e6),
    "files of the home, but raw rows": ("", lambda night: night.counts["files"]),
}
_SHOWN: dict[str, tuple[str, Callable[[Night], float]]] = {
    "logs (bounded: five files of 4 MiB)": ("kB", lambda night: night.sizes["logs"] / 1e3),
    "landed rows (kept for good)": (
        "kB",
        lambda night: (night.sizes["raw"] + night.sizes["quarantine"]) / 1e3,
    ),
}
# Nights that published nothing tell nothing about these.
_OF_WHOLE_NIGHTS = ("run time", "processor time")
_PARTS = ("raw", "quarantine", "archive", "warehouse", "published", "releases", "dagster", "logs")


def ingest_for(home: ScratchHome, number: int) -> list[tuple[str, str]]:
    """Put into the landing folder what a night lands; gives kind and SHA-256 of each file."""
    if number % _NOTHING_EVERY == 0:
        return []
    home.ingest_a_correction(number - 1 if number % _REPEATED_EVERY == 0 else number)
    if number % _REFUSED_EVERY == 0:
        rows = [
            {"city_code": city, "year": str(1990 + number % 10), "statistic_code": "gdp", "value": value, "unit": "x"}
            for city, value in (("nowhere", "1"), ("beijing", f"{number} or so"))
        ]
        home.ingest(f"refused-{number:04d}.csv", rows, kind="statistics")
    landing = home.settings.landing
    return [(file.parent.name, file_sha256(file)) for file in sorted(landing.rglob("*.csv"))]


def one_night(home: ScratchHome, number: int, ingested: list[tuple[str, str]]) -> Night:
    """Run one night and look at what it left."""
    landed = ingest_for(home, number)
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "city_index", "run"],
        cwd=PROJECT_DIRECTORY,
        env={**home.environment, **_LIMITS},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = process.stderr.read()
    # The children's peak is of the largest of them, and of theirs; it never falls, so the run's own is asked for.
    _pid, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    settings = home.settings
    violations = after_next_run(settings, [*ingested, *landed], is_archive_kept=False)
    if process.returncode != 0:
        violations.append(f"night {number} ended with {process.returncode}: {(said.splitlines() or [''])[-1]}")
    last_run = json.loads((settings.home / "last_run.json").read_text(encoding="utf-8"))
    sizes, files = _measured(settings)
    counts = {"kept releases": len(store.kept_releases(settings)), "files": files}
    memory = usage.ru_maxrss * 1024
    return Night(
        number,
        last_run["outcome"],
        round(seconds, 2),
        round(usage.ru_utime + usage.ru_stime, 2),
        memory,
        sizes,
        counts,
        violations,
        [list(one) for one in landed],
    )


def _measured(settings: Settings) -> tuple[dict[str, int], int]:
    """Bytes of each part of a home, and how many files there are but those of raw/ and quarantine/."""
    sizes, files = dict.fromkeys((*_PARTS, "elsewhere"), 0), 0
    for path in settings.home.rglob("*"):
        if path.is_file() and not path.is_symlink():
            part = path.relative_to(settings.home).parts[0]
            sizes[part if part in _PARTS else "elsewhere"] += path.stat().st_size
            files += part not in ("raw", "quarantine")
    return sizes, files


def soak(home: ScratchHome, nights: int) -> Iterator[Night]:
    """Run the nights that the home has not had yet; gives all, those from before too."""
    journal = home.home.parent / "nights.jsonl"
    before = [Night(**json.loads(line)) for line in journal.read_text().splitlines()] if journal.exists() else []
    yield from before
    ingested = [tuple(one) for night in before for one in night.ingested]
    for number in range(len(before) + 1, nights + 1):
        night = one_night(home, number, ingested)
        ingested += [tuple(one) for one in night.ingested]
        with journal.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(night)) + "\n")
        yield night


def slopes(nights: list[Night], figures: dict[str, tuple[str, Callable[[Night], float]]]) -> dict[str, Slope]:
    """The slope of each figure over the nights after the first, where those are enough for one.

    Nights that published nothing tell no time.
    """
    settled = [night for night in nights if night.number > min(_FIRST_NIGHTS, len(nights) // 2)]
    full = [night for night in settled if night.outcome == "published"]
    found = {}
    for name, (_unit, read) in figures.items():
        values = [read(night) for night in (full if name in _OF_WHOLE_NIGHTS else settled)]
        if len(values) >= LEAST_NIGHTS:
            found[name] = slope(values)
    return found


def text_of(nights: list[Night]) -> str:
    """The figures, as the page shows them."""
    outcomes = [night.outcome for night in nights]
    counted = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in sorted(set(outcomes)))
    violations = sum(len(night.violations) for night in nights)
    lines = [f"{len(nights)} nights ({counted}), {violations} violations of the invariants.", ""]
    rows = []
    for figures, judge in ((_JUDGED, True), (_SHOWN, False)):
        for name, found in slopes(nights, figures).items():
            unit = figures[name][0]
            verdict = ("flat" if found.is_flat else "RISES") if judge else "not judged"
            rows.append(
                (
                    name,
                    f"{found.median:,.1f} {unit}".strip(),
                    f"{found.rise:+.1%}",
                    f"{found.low:+.1%} to {found.high:+.1%}",
                    verdict,
                )
            )
    lines.append(table(("Figure", "Median", "Slope over 100 nights", "95 % interval", "Judged"), rows))
    return "\n".join(lines)


def main() -> int:
    """Run the proof; gives its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true", help=f"{LONG_NIGHTS} nights")
    parser.add_argument("--nights", type=int, help="so many nights")
    parser.add_argument("--home", type=Path, help="a folder in which the soak is kept, and goes on if it was cut short")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/reliability.md")
    arguments = parser.parse_args()
    wanted = arguments.nights or (LONG_NIGHTS if arguments.long else SHORT_NIGHTS)
    with tempfile.TemporaryDirectory(prefix="city-index-soak-") as folder:
        home = ScratchHome((arguments.home or Path(folder)).absolute() / "home")
        home.home.mkdir(parents=True, exist_ok=True)
        nights = []
        for night in soak(home, wanted):
            nights.append(night)
            print(
                f"night {night.number:3}: {night.outcome}, {night.seconds:.0f} s, {night.memory_bytes / 1e6:.0f} MB, "
                f"home {sum(night.sizes.values()) / 1e6:.0f} MB, {len(night.violations)} violations",
                flush=True,
            )
            for sentence in night.violations:
                print(f"  {sentence}", flush=True)
    print(text_of(nights))
    if arguments.write:
        command = "make soak" if arguments.long else f"python -m reliability.soak --nights {wanted}"
        write_section("soak", f"{text_of(nights)}\n\n{provenance(command)}")
    rising = [name for name, found in slopes(nights, _JUDGED).items() if not found.is_flat]
    return int(bool(rising) or any(night.violations for night in nights))


if __name__ == "__main__":
    sys.exit(main())
