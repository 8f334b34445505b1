"""Files that were damaged: corrupted by a byte, cut off, emptied, or gone; and write-ahead logs that were left."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from city_index.releases import store
from reliability.faults.trials import Case, Home, Workshop


def corrupt(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """Cut a file off in its middle."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    """Leave nothing of a file."""
    path.write_bytes(b"")


_DAMAGES: dict[str, Callable[[Path], None]] = {
    "corrupted": corrupt,
    "cut off": truncate,
    "emptied": empty,
    "gone": Path.unlink,
}


def cases() -> Iterator[Case]:
    """The cases of the group damage."""
    for damage in _DAMAGES:
        for name in ("city_index.duckdb", "parquet/fct_0.parquet", "report/index.html", "manifest.json"):
            if (name, damage) != ("manifest.json", "corrupted"):  # one bit in a number of it may be a manifest still
                yield Case("damage", f"published/{name} {damage}", partial(_published, name=name, damage=damage))
        for name in ("city_index.duckdb", "manifest.json"):
            if (name, damage) != ("manifest.json", "corrupted"):
                yield Case(
                    "damage", f"the newest kept release's {name} {damage}", partial(_kept, name=name, damage=damage)
                )
        for root in ("raw", "quarantine"):
            yield Case("damage", f"a file of {root}/ {damage}", partial(_landed, root=root, damage=damage))
        for name in ("landed.json", "rollback.json", "last_run.json", "refused_files.parquet", "metrics.prom"):
            yield Case("damage", f"{name} {damage}", partial(_record, name=name, damage=damage))
        yield Case("damage", f"build file {damage}", partial(_build, damage=damage), True)
        yield Case(
            "damage", f"description of the build {damage}", partial(_build, damage=damage, name="build.json"), True
        )
        yield Case("damage", f"dbt's parsed project {damage}", partial(_parsed, damage=damage), True)
    yield Case("damage", "a stale write-ahead log beside the published database", _stale_wal)
    yield Case("damage", "a stale write-ahead log beside the build", _stale_wal_of_build, True)
    yield Case("damage", "a file of raw/ that was not landed", _unknown)
    yield Case("damage", "missing landed files that a person lets go", _let_go)


def _published(workshop: Workshop, name: str, damage: str) -> list[str]:
    home = workshop.small()
    newest = home.settings.releases / store.kept_releases(home.settings)[0].release_id
    _DAMAGES[damage](home.settings.published / name)
    doctor = home.run("doctor")
    found = [] if name.rpartition("/")[2] in doctor.stdout else [f"doctor does not name it: {doctor.stdout[-200:]}"]
    verified = home.run("verify")
    found += [] if verified.returncode == 1 else [f"verify ended with {verified.returncode}"]
    # The remedy that doctor names: a run, which puts the release back.
    done = home.run("publish", "2")
    same = (newest / name).read_bytes() == (home.settings.published / name).read_bytes()
    if name != "manifest.json" and not same:
        found.append(f"{name} was not put back")
    return found + home.violations_after(done)


def _kept(workshop: Workshop, name: str, damage: str) -> list[str]:
    home = workshop.small()
    newest, earlier = store.kept_releases(home.settings)
    path = home.settings.releases / newest.release_id / name
    saved = path.read_bytes()
    home.run("rollback", earlier.release_id)
    _DAMAGES[damage](path)
    refused = home.run("rollback", newest.release_id)
    found = home.violations(refused, (1, 2), are_kept_whole=False)
    path.write_bytes(saved)
    return found + home.violations_after(home.run("rollback", newest.release_id))


def _landed(workshop: Workshop, root: str, damage: str) -> list[str]:
    home = workshop.small()
    path = next(iter(sorted((home.settings.home / root).rglob("*.parquet"))))
    saved = path.read_bytes()
    _DAMAGES[damage](path)
    doctor = home.run("doctor")
    found = [] if path.name in doctor.stdout else [f"doctor does not name it: {doctor.stdout[-200:]}"]
    found += home.violations(home.run("land"), (4,), said=path.name, is_raw_whole=False)
    path.write_bytes(saved)
    return found + home.violations_after(home.run("land"))


def _record(workshop: Workshop, name: str, damage: str) -> list[str]:
    home = workshop.small()
    path = home.settings.home / name
    earlier = store.kept_releases(home.settings)[-1].release_id
    home.run("rollback", earlier)
    if not path.exists():
        path.write_text('{"what": "x"}', encoding="utf-8")
    saved = path.read_bytes()
    _DAMAGES[damage](path)
    done = home.run("land")
    # Without checksums nothing says what was landed; that is never passed over, unless there never were any.
    is_refusal = name == "landed.json" and damage != "gone"
    found = home.violations(done, (4,) if is_refusal else (0,), said=name if is_refusal else "")
    if damage != "gone" and name == "rollback.json":
        home.run("publish", "2")
        if store.current_release(home.settings).release_id != earlier:
            found.append("a rollback whose note was damaged did not hold")
    if is_refusal or name == "rollback.json":
        path.write_bytes(saved)  # the others the run has written anew
    return found + home.violations_after(home.run("land"))


def _build(workshop: Workshop, damage: str, name: str = "build.duckdb") -> list[str]:
    home = workshop.whole()
    path = home.settings.warehouse / "build" / name
    _DAMAGES[damage](path)
    found = home.violations(home.run("finish"), (1, 4))
    return found + home.violations_after(home.run("run"))


def _parsed(workshop: Workshop, damage: str) -> list[str]:
    home = workshop.whole()
    for path in home.settings.warehouse.glob("parsed-*/*"):
        if path.name in ("manifest.json", "partial_parse.msgpack", "unit_tests.json"):
            _DAMAGES[damage](path)
    return home.violations_after(home.run("run"))


def _stale_wal(workshop: Workshop) -> list[str]:
    home = workshop.small()
    wal = Path(f"{home.settings.published_database}.wal")
    wal.write_bytes(b"left over")
    doctor = home.run("doctor")
    found = [] if wal.name in doctor.stdout else ["doctor does not name it"]
    return found + home.violations_after(home.run("publish", "2"))


def _stale_wal_of_build(workshop: Workshop) -> list[str]:
    home = workshop.whole()
    (home.settings.warehouse / "build" / "build.duckdb.wal").write_bytes(b"left over")
    found = home.violations(home.run("finish"), (0, 1, 4))
    return found + home.violations_after(home.run("run"))


def _unknown(workshop: Workshop) -> list[str]:
    home = workshop.small()
    path = next((home.settings.raw / "cities").glob("*.parquet"))
    added = path.with_name("added.parquet")
    shutil.copyfile(path, added)
    found = home.violations(home.run("land"), (4,), said="added.parquet was not landed here", is_raw_whole=False)
    added.unlink()
    return found + home.violations_after(home.run("land"))


def _let_go(workshop: Workshop) -> list[str]:
    home = workshop.small()
    path = next((home.settings.raw / "cities").glob("*.parquet"))
    batch = path.stem
    path.unlink()
    found = home.violations(home.run("land"), (4,), said="--accept-removals", is_raw_whole=False)
    done = home.run("land", "--accept-removals")
    home.ingested = {each for each in home.ingested if not _came_with(home, each, batch)}
    return found + home.violations_after(done)


def _came_with(home: Home, ingested: tuple[str, str], batch: str) -> bool:
    from city_index.checksums import file_sha256

    folder = home.settings.archive / ingested[0] / batch
    return any(file_sha256(path) == ingested[1] for path in folder.iterdir())
