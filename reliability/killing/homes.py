"""Small homes: releases of a few files, made in moments, that are kept and published as those of a night are.

What belongs here: releases whose every file differs, so that a mix of two cannot be missed. What does not: their
content, which means nothing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb

from city_index.releases import store
from city_index.releases.assemble import DATABASE_NAME
from city_index.releases.manifest import Manifest, list_files, write_manifest
from city_index.settings import PROJECT_DIRECTORY, Settings

_ROWS = 500
_CITIES = 4


def settings_of(home: Path, releases_kept: int = 10) -> Settings:
    """The settings of a home whose landing waits for nobody."""
    return Settings(PROJECT_DIRECTORY, home, landing_settle_seconds=0, releases_kept=releases_kept)


def prepare_release(settings: Settings, sequence: int) -> tuple[Path, Manifest]:
    """Write a whole small release into a staging folder; gives the folder and its manifest.

    Every file of it differs from those of other releases, and some files, pages and folders it alone has.
    """
    content_hash = hashlib.sha256(str(sequence).encode()).hexdigest()
    release_id = f"202601{sequence:02d}T000000Z-{content_hash[:8]}"
    folder = store.staging_folder(settings, f"prepared-{sequence}")
    tables = _write_tables(folder, release_id, content_hash, sequence)
    texts = ["CITATION.cff", f"only_{sequence}.txt", "report/index.html", "data_docs/index.html"]
    texts += [f"report/en/city-{sequence + number}.html" for number in range(_CITIES)]
    texts += [f"report/only_{sequence}/page.html"]
    for name in texts:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name} of release {sequence}\n", encoding="utf-8")
    manifest = Manifest(
        release_id=release_id,
        sequence=sequence,
        built_at_utc=f"2026-01-{sequence:02d}T00:00:00Z",
        code_version="0+small",
        input_hash=content_hash,
        content_hash=content_hash,
        duckdb_version=duckdb.__version__,
        storage_version="v1.0.0",
        notice="",
        checks={"passed": 1},
        tables=tables,
        files=list_files(folder),
    )
    write_manifest(folder, manifest)
    return folder, manifest


def _write_tables(folder: Path, release_id: str, content_hash: str, sequence: int) -> dict[str, int]:
    with duckdb.connect(str(folder / DATABASE_NAME)) as connection:
        connection.execute("create table meta_release (release_id varchar primary key, content_hash varchar)")
        connection.execute("insert into meta_release values (?, ?)", [release_id, content_hash])
        for number in range(3):
            connection.execute(
                f"create table fct_{number} as select range as id, range * {sequence} + {number} as value "
                f"from range({_ROWS + sequence})"
            )
        tables = {"meta_release": 1, **{f"fct_{number}": _ROWS + sequence for number in range(3)}}
        for suffix, options in (("parquet", "format parquet"), ("csv", "format csv")):
            (folder / suffix).mkdir()
            for table in tables:
                connection.execute(f"copy {table} to '{folder / suffix / table}.{suffix}' ({options})")
    return tables


def keep_release(settings: Settings, sequence: int) -> Manifest:
    """Prepare a small release and keep it; gives its manifest."""
    folder, manifest = prepare_release(settings, sequence)
    store.keep(settings, folder, manifest.release_id)
    return manifest


def small_home(home: Path, releases: int = 2) -> Settings:
    """A new home with so many kept releases, the newest of them published; gives its settings."""
    settings = settings_of(home)
    for sequence in range(1, releases + 1):
        manifest = keep_release(settings, sequence)
    store.activate(settings, manifest)
    return settings
