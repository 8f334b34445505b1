"""Others at the same home: rebuilds that start at once, and a reader that never closes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from city_index.releases import store
from city_index.settings import PROJECT_DIRECTORY
from reliability.faults.trials import Case, Home, Workshop, words_of

_PUBLICATIONS = 6

# Opens the published database once and asks again whenever it is told to.
_READER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
for _line in sys.stdin:
    release = connection.execute("select release_id from meta_release").fetchall()
    counts = [connection.execute(f"select count(*), sum(value) from fct_{n}").fetchone() for n in range(3)]
    print(release, counts, flush=True)
"""


def cases() -> Iterator[Case]:
    """The cases of the groups rivals and reader."""
    for count in range(2, 9):
        yield Case("rivals", f"{count} rebuilds at once: publishing", partial(_rivals, count=count))
    for count in (2, 4, 8):
        yield Case("rivals", f"{count} rebuilds at once: a whole night", partial(_nights, count=count), True)
    yield Case("reader", f"a reader that never closes, over {_PUBLICATIONS} publications", _reader)


def _start(home: Home, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        home.command(*command),
        cwd=PROJECT_DIRECTORY,
        env=home.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    stdout, stderr = process.communicate(timeout=900)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def _verdict(home: Home, done: list[subprocess.CompletedProcess[str]], are_apart: bool) -> list[str]:
    """What several rebuilds did wrong; where they may come one after another, more than one may have worked."""
    worked = [each for each in done if each.returncode == 0]
    found = [] if worked and (are_apart or len(worked) == 1) else [f"{len(worked)} of {len(done)} rebuilds worked"]
    for each in done:
        if each.returncode != 0:
            found += words_of(each, (5,), said="another rebuild is running")
    return found


def _rivals(workshop: Workshop, count: int) -> list[str]:
    """The winner holds the lock until all others have ended: none of them waited."""
    home = workshop.small()
    winner = subprocess.Popen(
        home.command("hold"),
        cwd=PROJECT_DIRECTORY,
        env=home.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    found = [] if winner.stdout.readline() == "held\n" else ["the first rebuild did not take the lock"]
    done = [_ended(process) for process in [_start(home, "publish", "3") for _ in range(count - 1)]]
    for each in done:
        found += words_of(each, (5,), said="another rebuild is running: trial, process")
    found += [] if winner.poll() is None else ["the first rebuild did not outlast the others"]
    _stdout, stderr = winner.communicate("go on\n", timeout=60)
    found += [] if winner.returncode == 0 else [f"the first rebuild ended with {winner.returncode}: {stderr[-200:]}"]
    # Without one that waits for them: whoever comes first works.
    done = [_ended(process) for process in [_start(home, "publish", "3") for _ in range(count)]]
    return found + _verdict(home, done, are_apart=True) + home.violations_after(home.run("publish", "3"))


def _nights(workshop: Workshop, count: int) -> list[str]:
    home = workshop.whole()
    home.drop("more.csv", "more")
    done = [_ended(process) for process in [_start(home, "run") for _ in range(count)]]
    return _verdict(home, done, are_apart=False) + home.violations_after(home.run("run"))


def _reader(workshop: Workshop) -> list[str]:
    home = workshop.small()
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, str(home.settings.published_database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask() -> str:
        reader.stdin.write("\n")
        reader.stdin.flush()
        return reader.stdout.readline()

    found = []
    first, release = ask(), store.current_release(home.settings).release_id
    if release not in first:
        found.append(f"the reader sees {first.strip()} instead of {release}")
    for number in range(3, 3 + _PUBLICATIONS):
        found += home.violations(home.run("publish", str(number)), (0,))
        if (seen := ask()) != first:
            found.append(f"the reader saw {first.strip()}, then {seen.strip()}")
    reader.communicate(timeout=60)
    if reader.returncode != 0:
        found.append(f"the reader ended with {reader.returncode}")
    return found + home.violations_after(home.run("publish", str(3 + _PUBLICATIONS)))
