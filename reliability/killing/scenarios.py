"""The scenarios of small homes, each with its template: landing, ingest, publishing, mending, rollback, assembling."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from city_index.checksums import file_sha256
from city_index.landing.raw_store import RawStore
from city_index.releases import store
from city_index.releases.assemble import DATABASE_NAME
from city_index.settings import Settings
from reliability.invariants import nothing_lost
from reliability.killing.homes import fill_landing, settings_of, small_home, write_small_build
from reliability.killing.trials import Scenario

_INGESTED_FILES = 3
_NEW = 3  # the sequence of the release that is published anew; two are there before it

LANDING, INGEST, PUBLISHING = "landing", "ingest", "publishing"
MENDING, ROLLBACK, ASSEMBLING = "putting a damaged copy back", "rollback", "assembling"


def small_scenarios(folder: Path) -> list[Scenario]:
    """All scenarios of small homes; their templates are made in a folder."""
    return [
        _landing(folder / "landing"),
        _ingest(folder / "ingest"),
        _publishing(folder / "publishing"),
        _assembling(folder / "assembling"),
        *(_mending(folder / f"mending-{name}", name) for name in _HARM),
        *_rollbacks(folder / "rollback"),
    ]


def _landing(folder: Path) -> Scenario:
    settings = small_home(folder, releases=1)
    ingested, expected = fill_landing(settings)

    def all_landed(settings: Settings) -> list[str]:
        found = dict.fromkeys(expected, (0, 0))
        for record in RawStore(settings).records():
            accepted, quarantined = found[record.kind]
            found[record.kind] = accepted + record.accepted_count, quarantined + record.quarantined_count
        waiting = [path for path in settings.landing.rglob("*") if path.is_file()]
        return [
            *([] if found == expected else [f"rows accepted and quarantined are {found} instead of {expected}"]),
            *(f"{path} still waits" for path in waiting),
        ]

    return Scenario(LANDING, "a landing", folder, ("land",), ("land",), ingested=ingested, afterwards=all_landed)


def _ingest(folder: Path) -> Scenario:
    small_home(folder, releases=1)
    outside = folder.with_name("outside")
    files = []
    for number in range(_INGESTED_FILES):
        path = outside / str(number) / "cities.csv"
        path.parent.mkdir(parents=True)
        rows = "".join(f"D{number}{row},城,City\n" for row in range(200))
        path.write_text(f"city_code,name_zh,name_en\n{rows}", encoding="utf-8")
        files.append(path)
    ingested = [("cities", file_sha256(path)) for path in files]
    command = ("ingest", *map(str, files))
    return Scenario(
        INGEST,
        "an ingest of files of one name",
        folder,
        command,
        ("land",),
        then=(command, ("land",)),
        afterwards=lambda settings: nothing_lost(settings, ingested),
    )


def _newest_is_published(settings: Settings) -> list[str]:
    current = store.current_release(settings)
    return [] if current.sequence == _NEW else [f"release {current.release_id} is published instead of the new one"]


def _publishing(folder: Path) -> Scenario:
    small_home(folder)
    action = ("publish", str(_NEW))
    return Scenario(PUBLISHING, "a publication", folder, action, action, afterwards=_newest_is_published)


def _assembling(folder: Path) -> Scenario:
    write_small_build(small_home(folder))
    action = ("assemble", str(_NEW))
    return Scenario(ASSEMBLING, "an assembling", folder, action, action, afterwards=_newest_is_published)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


# How a published copy is damaged, and which of its files are then not as they should be.
_HARM: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "a table cut short and a page gone": (
        lambda published: (_cut(published / "csv" / "fct_1.csv"), (published / "report" / "index.html").unlink()),
        {"csv/fct_1.csv", "report/index.html"},
    ),
    "a database cut short": (lambda published: _cut(published / DATABASE_NAME), {DATABASE_NAME}),
    "a stale write-ahead log": (
        lambda published: (published / f"{DATABASE_NAME}.wal").write_bytes(b"stale"),
        {f"{DATABASE_NAME}.wal"},
    ),
    "a manifest cut short": (lambda published: _cut(published / "manifest.json"), set()),
    "everything gone": (shutil.rmtree, set()),
}


def _mending(folder: Path, name: str) -> Scenario:
    settings = small_home(folder)
    harm, damaged = _HARM[name]
    harm(settings.published)
    return Scenario(MENDING, name, folder, ("restore",), ("restore",), damaged=damaged)


def _rollbacks(folder: Path) -> list[Scenario]:
    settings = small_home(folder, releases=3)
    newest, middle, oldest = (manifest.release_id for manifest in store.kept_releases(settings))
    rolled_back = folder.with_name("rolled-back")
    shutil.copytree(folder, rolled_back)
    store.roll_back(settings_of(rolled_back), oldest)

    def middle_is_published(settings: Settings) -> list[str]:
        current = store.current_release(settings)
        return (
            [] if current.release_id == middle else [f"{current.release_id} is published, and {middle} was asked for"]
        )

    return [
        Scenario(ROLLBACK, "a rollback", folder, ("rollback", oldest), ("restore",)),
        Scenario(ROLLBACK, "a rollback to the newest", rolled_back, ("rollback", newest), ("restore",)),
        Scenario(
            ROLLBACK,
            "a rollback before another one",
            folder,
            ("rollback", oldest),
            ("rollback", middle),
            then=(("restore",),),
            afterwards=middle_is_published,
            nothing_left=f"release {middle} is the published one already",
        ),
    ]
