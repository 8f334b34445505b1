"""Small homes: releases of a few files, made in moments, that are kept and published as those of a night are.

What belongs here: releases whose every file differs, so that a mix of two cannot be missed. What does not: their
content, which means nothing.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import duckdb

from city_index.checks import CRITICAL, PASSED, Check
from city_index.checksums import file_sha256
from city_index.releases import store
from city_index.releases.assemble import (
    DATABASE_NAME,
    STORAGE_VERSION,
    add_release_tables,
    assemble_tables,
    verify_database,
)
from city_index.releases.manifest import Manifest, list_files, write_manifest
from city_index.settings import PROJECT_DIRECTORY, Settings

_ROWS = 500
_TABLES = 4
_CITIES = 4
_LANDED_FILES = 6
_LANDED_CITIES = 100


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


def write_small_build(settings: Settings) -> None:
    """Write a build of a few small tables, with comments, into the warehouse."""
    path = settings.warehouse / "build" / "build.duckdb"
    path.parent.mkdir(parents=True)
    with duckdb.connect(str(path)) as connection:
        for number in range(_TABLES):
            connection.execute(f"create table fct_{number} (id bigint not null, value bigint)")
            connection.execute(f"insert into fct_{number} select range, range + {number} from range({_ROWS})")
            connection.execute(f"comment on table fct_{number} is 'A table.'")
            for column in ("id", "value"):
                connection.execute(f"comment on column fct_{number}.{column} is 'A column.'")


def assemble_release(settings: Settings, sequence: int) -> tuple[Path, Manifest]:
    """Assemble a release from the small build as a rebuild does; gives its folder and its manifest without files."""
    folder = store.staging_folder(settings, f"assembled-{sequence}")
    database = settings.warehouse / "build" / "build.duckdb"
    keys = {f"fct_{number}": ["id"] for number in range(_TABLES)}
    content_hash, tables = assemble_tables(database, folder, settings.build_memory_bytes, keys)
    manifest = Manifest(
        release_id=f"202601{sequence:02d}T000000Z-{content_hash[:8]}",
        sequence=sequence,
        built_at_utc=f"2026-01-{sequence:02d}T00:00:00Z",
        code_version="0+small",
        input_hash=content_hash,
        content_hash=content_hash,
        duckdb_version=duckdb.__version__,
        storage_version=STORAGE_VERSION,
        notice="",
        checks={"passed": 1},
        tables=tables,
    )
    manifest.tables.update(
        add_release_tables(folder, manifest, [Check("is_well", "dbt_test", "x", PASSED, CRITICAL, "", "")])
    )
    verify_database(folder, manifest.release_id, manifest.tables)
    return folder, manifest


def fill_landing(settings: Settings) -> tuple[list[tuple[str, str]], dict[str, tuple[int, int]]]:
    """Put files into the landing folder of which every tenth observation is wrong.

    Returns:
        kind and SHA-256 of each file, and for each kind how many rows have to be accepted and quarantined.
    """
    cities = "city_code,name_zh,name_en\n" + "".join(f"C{number},国,Country\n" for number in range(_LANDED_CITIES))
    trees = "index_code,edition,indicator_code,parent_code,name_zh,name_en,weight\n"
    for edition in range(_LANDED_FILES):
        nodes = (("total", ""), ("p", "total"), ("s", "p"), ("a", "s"), ("b", "s"))
        trees += "".join(f"big,{edition},{code},{parent},x,X,1\n" for code, parent in nodes)
    files = {("cities", "countries.csv"): cities, ("frameworks", "trees.csv"): trees}
    for edition in range(_LANDED_FILES):
        files["observations", f"{edition}.csv"] = "index_code,edition,city_code,indicator_code,value\n" + "".join(
            f"big,{edition},C{number // 2},{'ab'[number % 2]},{'x' if number % 10 == 0 else number % 100}\n"
            for number in range(2 * _LANDED_CITIES)
        )
    ingested = []
    for age, ((kind, name), text) in enumerate(files.items()):
        path = settings.landing / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        # The later one corrects the earlier one, by the time of its last change.
        os.utime(path, (1_700_000_000 + age, 1_700_000_000 + age))
        ingested.append((kind, file_sha256(path)))
    rows = 2 * _LANDED_CITIES * _LANDED_FILES
    expected = {
        "cities": (_LANDED_CITIES, 0),
        "frameworks": (5 * _LANDED_FILES, 0),
        "observations": (rows - rows // 10, rows // 10),
    }
    return ingested, expected


def small_home(home: Path, releases: int = 2) -> Settings:
    """A new home with so many kept releases, the newest of them published; gives its settings."""
    settings = settings_of(home)
    for sequence in range(1, releases + 1):
        manifest = keep_release(settings, sequence)
    store.activate(settings, manifest)
    return settings
