"""Clocks that jump: every process of a run sees another time, whatever it is written in.

The shift is made below the processes, by a small library that the C compiler makes in the scratch folder and that the
loader puts before the system's own; a clock of its own cannot be given to a process otherwise.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from city_index.landing.raw_store import RawStore
from city_index.releases import store
from reliability.faults.trials import Case, Home, Skipped, Workshop

_DAY = 86_400
_JUMPS = {"a day back": -_DAY, "a year back": -365 * _DAY, "a day forward": _DAY, "a year forward": 365 * _DAY}

_SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long shift(void) { const char *text = getenv("SHIFTED_SECONDS"); return text ? atol(text) : 0; }
int clock_gettime(clockid_t clock, struct timespec *found) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, found);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) found->tv_sec += shift();
    return result;
}
int gettimeofday(struct timeval *found, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    found->tv_sec = now.tv_sec;
    found->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *found) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (found) *found = now.tv_sec;
    return now.tv_sec;
}
"""


def cases() -> Iterator[Case]:
    """The cases of the group clock."""
    for label, seconds in _JUMPS.items():
        yield Case("clock", f"{label}, then right again: landing", partial(_land, seconds=seconds))
        yield Case("clock", f"{label}, then right again: publishing", partial(_publish, seconds=seconds))
        yield Case("clock", f"{label}, then right again: a whole night", partial(_night, seconds=seconds), True)
    yield Case("clock", "files from the future in the landing folder", _future_files)


def _shift(workshop: Workshop, seconds: int) -> dict[str, str]:
    """The environment of a process whose clock is so many seconds off."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Skipped("needs a C compiler")
    library = workshop.folder / "clock.so"
    if not library.exists():
        source = workshop.folder / "clock.c"
        source.write_text(_SHIM, encoding="ascii")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    environment = {"LD_PRELOAD": str(library), "SHIFTED_SECONDS": str(seconds)}
    program = ["python3", "-c", "import time; print(time.time())"]
    seen = subprocess.run(program, env=os.environ | environment, capture_output=True, text=True, check=True).stdout
    if abs(float(seen) - time.time() - seconds) > 60:
        raise Skipped("the clock of a process cannot be shifted here")
    return environment


def _order(home: Home) -> list[str]:
    """What is wrong with the order of batches and releases: later ones count later, whatever the clock said."""
    numbers = [record.batch_number for record in RawStore(home.settings).records()]
    found = [] if numbers == list(range(1, len(numbers) + 1)) else [f"the batches are numbered {numbers}"]
    ids = [record.batch_id for record in RawStore(home.settings).records()]
    found += [] if ids == sorted(ids) else [f"the ids of the batches do not sort in the order of landing: {ids}"]
    sequences = [manifest.sequence for manifest in store.kept_releases(home.settings)]
    if len(set(sequences)) != len(sequences):
        found.append(f"releases are numbered {sequences}")
    return found


def _land(workshop: Workshop, seconds: int) -> list[str]:
    home = workshop.small()
    done = home.run("land", environment=_shift(workshop, seconds))
    found = [*home.violations(done, (0,)), *_order(home)]
    home.drop("later.csv", "later")
    found += home.violations_after(home.run("land"))
    return found + _order(home) + _nothing_waits(home)


def _nothing_waits(home: Home) -> list[str]:
    waiting = [path.name for path in (home.settings.landing / "cities").iterdir()]
    return [f"{', '.join(waiting)} was not landed"] if waiting else []


def _publish(workshop: Workshop, seconds: int) -> list[str]:
    home = workshop.small()
    found = home.violations(home.run("publish", "3", environment=_shift(workshop, seconds)), (0,))
    found += home.violations_after(home.run("publish", "4"))
    current = store.current_release(home.settings)
    if current.sequence != 4:
        found.append(f"release number {current.sequence} is published instead of the newest")
    return found + _order(home)


def _night(workshop: Workshop, seconds: int) -> list[str]:
    home = workshop.whole()
    shifted = _shift(workshop, seconds)
    found = home.violations(home.run("finish", environment=shifted), (0,))
    during = store.current_release(home.settings)
    home.drop("later.csv", "later")
    done = home.run("run", environment=shifted)
    found += home.violations(done, (0,))
    home.drop("right.csv", "right")
    # The archive lets files go by age; by a clock that is a year ahead they are old.
    found += home.violations_after(home.run("run"), is_archive_kept=seconds < 365 * _DAY)
    current = store.current_release(home.settings)
    if during is None or current.sequence != during.sequence + 2:
        found.append("what was landed after the clock was right again was not published")
    doctor = home.run("doctor")
    if seconds > 0 and "is in the future" not in doctor.stdout:
        found.append(f"doctor does not say that a release is from the future: {doctor.stdout[-200:]}")
    return found + _order(home) + _nothing_waits(home)


def _future_files(workshop: Workshop) -> list[str]:
    home = workshop.small()
    for name, seconds in (("year.csv", 365 * _DAY), ("day.csv", _DAY), ("second.csv", 1)):
        path: Path = home.drop(name, name[0])
        os.utime(path, (time.time() + seconds,) * 2)
    done = home.run("land", environment={"CITY_INDEX_LANDING_SETTLE_SECONDS": "2"})
    return [
        *home.violations(done, (0,)),
        *home.violations_after(home.run("land")),
        *_nothing_waits(home),
        *_order(home),
    ]
