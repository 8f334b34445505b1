"""Full disks, and folders that are read-only, gone, or no folders."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial

from city_index.releases import store
from city_index.settings import PROJECT_DIRECTORY
from reliability.faults.trials import Case, Home, Skipped, Workshop, words_of

# Stages of each command at which the disk fills up; with the bytes that a file may still have, or the disk still take.
_SMALL_STAGES = {
    "land": (("landing", 0), ("landing", 20_000), ("commit", 0), ("commit", 300)),
    "publish": (("assemble", 0), ("keep", 200), ("publish", 0), ("publish", 20_000)),
}
_FINISH_STAGES = ("assemble", "report", "exports", "publish")
_RUN_STAGES = ("inputs", "raw gate", "dbt build", "marts gate")
_SPARE = 24 << 20

_WITHOUT_PRIVILEGE = [
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
]

# Which command meets which folder.
_FOLDERS = {
    "landing": "land",
    "landing/cities": "land",
    "raw": "land",
    "raw/cities": "land",
    "quarantine": "land",
    "quarantine/cities": "land",
    "archive": "land",
    "published": "publish",
    "published/csv": "publish",
    "published/report": "publish",
    "releases": "publish",
    "warehouse": "finish",
    "logs": "finish",
    "dagster": "run",
}


def cases() -> Iterator[Case]:
    """The cases of the groups disk and folders."""
    for command, stages in _SMALL_STAGES.items():
        for stage, size in stages:
            label = f"{command}: files limited to {size:,} bytes from {stage} on"
            yield Case("disk", label, partial(_limited, kind="small", command=command, stage=stage, size=size))
            label = f"{command}: {size:,} bytes free on the disk from {stage} on"
            yield Case("disk", label, partial(_full, kind="small", command=command, stage=stage, size=size))
    yield Case("disk", "rollback: files limited to 0 bytes", partial(_rollback_limited, size=0))
    yield Case("disk", "rollback: files limited to 20,000 bytes", partial(_rollback_limited, size=20_000))
    yield Case("disk", "rollback: disk full", _rollback_full)
    for stage in _FINISH_STAGES:
        for size in (0, 200_000):
            label = f"night: files limited to {size:,} bytes from {stage} on"
            yield Case("disk", label, partial(_limited, kind="whole", command="finish", stage=stage, size=size), True)
        label = f"night: disk full from {stage} on"
        yield Case("disk", label, partial(_full, kind="whole", command="finish", stage=stage, size=200_000), True)
    for stage in _RUN_STAGES:
        label = f"night: files limited to 100,000 bytes from {stage} on"
        yield Case("disk", label, partial(_limited, kind="whole", command="run", stage=stage, size=100_000), True)
        label = f"night: disk full from {stage} on"
        yield Case("disk", label, partial(_full, kind="whole", command="run", stage=stage, size=100_000), True)
    for size in (0, 100_000, 2_000_000):
        yield Case("disk", f"parsing: files limited to {size:,} bytes", partial(_parse_limited, size=size), True)
    for folder, command in _FOLDERS.items():
        for fault in ("read-only", "vanished", "a file in its place"):
            is_long = command in ("finish", "run")
            yield Case(
                "folders", f"{folder}: {fault}", partial(_folder, folder=folder, command=command, fault=fault), is_long
            )
    yield Case("folders", "home: read-only", partial(_folder, folder=".", command="land", fault="read-only"))
    yield Case("folders", "home: another user's", _without_permission)


def _words(command: str) -> list[str]:
    return ["publish", "3"] if command == "publish" else [command]


def _limited(workshop: Workshop, kind: str, command: str, stage: str, size: int) -> list[str]:
    home = getattr(workshop, kind)()
    done = home.run(*_words(command), at=stage, limit=size)
    return home.violations(done, (0, 1, 4)) + home.violations_after(home.run(*_words(command)))


def _full(workshop: Workshop, kind: str, command: str, stage: str, size: int) -> list[str]:
    with workshop.small_disk(getattr(workshop, kind)(), _SPARE if kind == "small" else 400 << 20) as home:
        filler = home.settings.home.parent / "filler"
        done = home.run(*_words(command), at=stage, fill=filler, leave=size)
        found = home.violations(done, (0, 1, 4))
        filler.unlink(missing_ok=True)
        return found + home.violations_after(home.run(*_words(command)))


def _earlier(home: Home) -> str:
    return store.kept_releases(home.settings)[-1].release_id


def _rollback_limited(workshop: Workshop, size: int) -> list[str]:
    home = workshop.small()
    done = home.run("rollback", _earlier(home), limit=size)
    found = home.violations(done, (1,))
    return found + home.violations_after(home.run("rollback", _earlier(home)))


def _rollback_full(workshop: Workshop) -> list[str]:
    with workshop.small_disk(workshop.small(), _SPARE) as home:
        filler = home.settings.home.parent / "filler"
        done = home.run("rollback", _earlier(home), fill=filler)
        found = home.violations(done, (1,))
        filler.unlink(missing_ok=True)
        return found + home.violations_after(home.run("rollback", _earlier(home)))


def _parse_limited(workshop: Workshop, size: int) -> list[str]:
    home = workshop.whole()
    for parsed in home.settings.warehouse.glob("parsed-*"):
        shutil.rmtree(parsed)
    done = home.run("run", limit=size)
    return home.violations(done, (1, 4)) + home.violations_after(home.run("run"))


def _folder(workshop: Workshop, folder: str, command: str, fault: str) -> list[str]:
    home = workshop.whole() if command in ("finish", "run") else workshop.small()
    path = home.settings.home / folder
    path.mkdir(exist_ok=True)
    is_raw_whole = not folder.startswith(("raw", "quarantine", "landing")) or fault == "read-only"
    aside = home.settings.home.parent / "aside"
    published = folder.startswith("published") and fault != "read-only"
    damaged = tuple(
        file.relative_to(home.settings.published).as_posix() for file in path.rglob("*") if published and file.is_file()
    )
    are_kept_whole = folder != "releases" or fault == "read-only"
    if fault == "read-only":
        with workshop.read_only(path):
            done = home.run(*_words(command))
    else:
        path.rename(aside)
        if fault != "vanished":
            path.write_text("a file", encoding="utf-8")
            if published:
                damaged += (path.relative_to(home.settings.published).as_posix(),)
        done = home.run(*_words(command))
    if are_kept_whole:
        found = home.violations(done, (0, 1, 4), damaged=damaged, is_raw_whole=is_raw_whole)
    else:  # what is published cannot be held against what is kept
        found = words_of(done, (0, 1, 4))
    # A run that made a vanished folder anew has lifted that fault itself; what waited in the landing folder comes back.
    was_made_anew = fault == "vanished" and done.returncode == 0 and not folder.startswith("landing")
    is_lifted = fault == "read-only" or was_made_anew
    if not is_lifted:
        # A folder that comes back, as a disk that is mounted again; what the run put there meanwhile gives way.
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        aside.rename(path)
    return found + home.violations_after(home.run(*_words(command)), is_archive_kept=folder != "archive")


def _without_permission(workshop: Workshop) -> list[str]:
    """Run on another user's home, without root's privilege to write there nevertheless."""
    home = workshop.small()
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        raise Skipped("needs root, to give a home to another user, and `setpriv`")
    everything = [home.settings.home, *home.settings.home.rglob("*")]
    for path in everything:
        os.chown(path, 65534, 65534)
    done = subprocess.run(
        [*_WITHOUT_PRIVILEGE, *home.command("land")],
        cwd=PROJECT_DIRECTORY,
        env=home.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    found = home.violations(done, (1,), said="Permission denied")
    for path in everything:
        os.chown(path, 0, 0)
    return found + home.violations_after(home.run("land"))
