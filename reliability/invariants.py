"""What must hold after any fault, as functions that give each violation as a sentence; an empty list is a proof.

What belongs here: looking at a home from outside, with plain means: a read-only connection, checksums, a listing of
every file. What does not: the faults themselves, and what a run says of itself.

``after_fault`` holds at once, however a run ended; ``after_next_run`` once a later run has gone through by itself.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import duckdb

from city_index.checksums import file_sha256
from city_index.contracts import KINDS, contracts
from city_index.database import parquet_rows
from city_index.errors import CityIndexError, in_one_line
from city_index.landing.door import is_working_file
from city_index.landing.raw_store import BatchRecord, RawStore
from city_index.lock import lock_holder
from city_index.releases import store
from city_index.releases.assemble import DATABASE_NAME
from city_index.releases.manifest import MANIFEST_NAME, Manifest, faults, read_manifest
from city_index.settings import Settings

# How many violations of one sort are named one by one.
_NAMED = 5

_RELEASE = r"\d{8}T\d{6}Z-[0-9a-f]{8}(-\d+)?"
_BATCH = r"\d{6,}-\d{8}T\d{6}Z-[0-9a-f]{8}"
_KIND = f"({'|'.join(KINDS)})"

# All that may stand in a home while no run is going on, as patterns of paths: folders end in a slash. What people put
# into the landing folder, the archive of it and Dagster's own files are theirs to name.
_MAY_STAND = [
    re.compile(pattern)
    for pattern in (
        r"rebuild\.lock|last_run\.json|last_run\.log|rollback\.json|refused_files\.parquet|helpers\.lock|parsing\.lock",
        r"landed\.json|metrics\.prom|logs/|logs/events(\.\d)?\.jsonl",
        r"landing/|landing/.*",
        rf"(raw|quarantine)/|(raw|quarantine)/{_KIND}/",
        rf"(raw|quarantine)/{_KIND}/({_BATCH}|\d{{6}}-\d{{6}}-merged)\.parquet",
        rf"archive/|archive/{_KIND}/|archive/{_KIND}/{_BATCH}/|archive/{_KIND}/{_BATCH}/[^/]+",
        r"let_go/.*",
        r"warehouse/",
        r"warehouse/build/|warehouse/build/build\.json|warehouse/build/build\.duckdb|warehouse/build/checks/",
        r"warehouse/build/checks/(raw\.json|marts\.json|(audited|sound)\.sha256)",
        r"warehouse/build/dbt/|warehouse/build/dbt/[^.].*",
        r"warehouse/parsed-[0-9a-f]{12}/|warehouse/parsed-[0-9a-f]{12}/[^.].*",
        # Of these every file is held against a manifest, see ``_strangers``.
        r"published/|published/.*",
        rf"releases/|releases/{_RELEASE}/|releases/{_RELEASE}/.*",
        r"dagster/|dagster/.*",
    )
]

# Names that a file has only while it is being written.
_HALF_WRITTEN = re.compile(r"\.(tmp|part|publishing|partial)$|\.duckdb\.(wal|tmp)$|^\.staging-|^\.tmp$")


def after_fault(
    settings: Settings, ingested: Collection[tuple[str, str]] = (), damaged: Collection[str] = ()
) -> list[str]:
    """What must hold at once after a fault.

    Args:
        settings: of the home.
        ingested: kind and SHA-256 of every file that was put into the landing folder so far.
        damaged: published files, by path, that the fault itself damaged and no run has put back yet.
    """
    return [
        *published_is_one_release(settings, damaged),
        *published_files_belong(settings, damaged),
        *kept_releases_are_whole(settings),
        *nothing_lost(settings, ingested),
    ]


def after_next_run(
    settings: Settings,
    ingested: Collection[tuple[str, str]] = (),
    system_temp: Path | None = None,
    is_archive_kept: bool = True,
) -> list[str]:
    """What must hold once the next run has gone through without help.

    Args:
        settings: of the home.
        ingested: see ``after_fault``; all of them must have been landed, or still lie in the landing folder.
        system_temp: a folder that was the system's temp folder of all the runs, and of nobody else.
        is_archive_kept: whether nobody emptied the archive.
    """
    return [
        *published_is_one_release(settings),
        *published_is_verified(settings),
        *kept_releases_are_whole(settings),
        *nothing_left_over(settings, system_temp),
        *no_lock_held(settings),
        *nothing_lost(settings, ingested),
        *accounts_balance(settings, is_archive_kept),
    ]


def published_is_one_release(settings: Settings, damaged: Collection[str] = ()) -> list[str]:
    """The published database opens with a plain read-only connection and is one kept release, byte for byte.

    Where nothing was ever published, nothing has to be there; a manifest promises a database.
    """
    database, manifest = settings.published_database, store.current_release(settings)
    if DATABASE_NAME in damaged:
        return []
    if not database.is_file():
        return [f"{database} is missing, although {MANIFEST_NAME} stands beside it"] if manifest is not None else []
    wal = Path(f"{database}.wal")
    if wal.exists() and wal.name not in damaged:
        return [f"{wal} stands beside the published database and may block readers"]
    try:
        with duckdb.connect(str(database), read_only=True) as connection:
            found = [row[0] for row in connection.execute("select release_id from meta_release").fetchall()]
            tables = connection.execute("select table_name from duckdb_tables() where not internal").fetchall()
            counts = {name: connection.execute(f'select count(*) from "{name}"').fetchone()[0] for (name,) in tables}
    except duckdb.Error as error:
        return [f"{database} cannot be read: {in_one_line(error, 200)}"]
    if len(found) != 1:
        return [f"{database} names {len(found)} releases in meta_release: {found}"]
    kept = read_manifest(settings.releases / found[0])
    if kept is None:
        return [f"{database} is release {found[0]}, which is not kept"]
    violations = [
        f"{database} is release {found[0]} and its table {table} has {counts.get(table)} rows instead of {rows}"
        for table, rows in kept.tables.items()
        if counts.get(table) != rows
    ]
    if file_sha256(database) != kept.files[DATABASE_NAME]["sha256"]:
        violations.append(f"{database} says that it is release {found[0]}, and is not that release's file")
    return violations


def _published_release_ids(settings: Settings) -> set[str]:
    """The releases that the published files may belong to: the manifest's and the database's."""
    found = set()
    manifest = store.current_release(settings)
    if manifest is not None:
        found.add(manifest.release_id)
    if settings.published_database.is_file():
        try:
            with duckdb.connect(str(settings.published_database), read_only=True) as connection:
                found |= {row[0] for row in connection.execute("select release_id from meta_release").fetchall()}
        except duckdb.Error:
            pass  # said by ``published_is_one_release``
    return found


def published_files_belong(settings: Settings, damaged: Collection[str] = ()) -> list[str]:
    """Every published file is one of the release before or of the one that is being published, whole.

    The database is replaced first and the manifest last, so those two name the releases. Where the manifest names the
    database's own release, publishing was done, and all files must be that release's.
    """
    if not settings.published.is_dir():
        return []
    releases = [
        manifest
        for release_id in sorted(_published_release_ids(settings))
        if (manifest := read_manifest(settings.releases / release_id)) is not None
    ]
    violations = []
    for path in sorted(path for path in settings.published.rglob("*") if path.is_file()):
        name = path.relative_to(settings.published).as_posix()
        if name == MANIFEST_NAME or name in damaged or _HALF_WRITTEN.search(path.name):
            continue
        known = [manifest.files[name]["sha256"] for manifest in releases if name in manifest.files]
        if file_sha256(path) not in known:
            ids = " or ".join(manifest.release_id for manifest in releases) or "any kept release"
            violations.append(f"{path} is not a file of {ids}")
    if len(releases) == 1 and store.current_release(settings) is not None:
        current = store.current_release(settings)
        violations += [
            f"{path} is missing"
            for name in current.files
            if not (path := settings.published / name).is_file() and name not in damaged
        ]
    return _some(violations)


def published_is_verified(settings: Settings) -> list[str]:
    """What is published is exactly what its manifest says, it is the release that ought to be, and `verify` agrees."""
    manifest, wanted = store.current_release(settings), store.wanted_release(settings)
    if manifest is None:
        return [f"{settings.published / MANIFEST_NAME} is missing or cannot be read"]
    violations = [] if wanted is None else _differs(manifest, wanted)
    violations += _some(store.published_faults(settings))
    verified = run_city_index(settings, "verify")
    if verified.returncode != 0:
        said = " ".join((verified.stdout + verified.stderr).split())
        violations.append(f"city-index verify ends with {verified.returncode}: {said[:300]}")
    return violations


def _differs(manifest: Manifest, wanted: Manifest) -> list[str]:
    if manifest.release_id == wanted.release_id:
        return []
    return [f"release {manifest.release_id} is published, and {wanted.release_id} ought to be"]


def run_city_index(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the console script on the home as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "city_index", *arguments],
        cwd=settings.project_directory,
        env={**os.environ, "CITY_INDEX_HOME": str(settings.home)},
        capture_output=True,
        text=True,
        check=False,
    )


def kept_releases_are_whole(settings: Settings) -> list[str]:
    """Every kept release has all its files, and no other, and each is as its manifest says."""
    violations = []
    for manifest in store.kept_releases(settings):
        folder = settings.releases / manifest.release_id
        violations += faults(folder, manifest)
        violations += [
            f"{folder / name} belongs to no release"
            for name in sorted(_files(folder) - set(manifest.files) - {MANIFEST_NAME})
        ]
    return _some(violations)


def _files(folder: Path) -> set[str]:
    """All files below a folder, and the folders that hold nothing, by path."""
    if not folder.is_dir():
        return set()
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir() or not any(path.iterdir())
    }


def nothing_left_over(settings: Settings, system_temp: Path | None = None) -> list[str]:
    """No temporary file, staging folder, half release or any other thing that no run would leave stands anywhere."""
    violations = []
    for path in sorted(settings.home.rglob("*")):
        name = path.relative_to(settings.home).as_posix() + ("/" if path.is_dir() and not path.is_symlink() else "")
        is_ours = not name.startswith(("dagster/", "archive/"))
        if not any(pattern.fullmatch(name) for pattern in _MAY_STAND):
            violations.append(f"{path} is left over")
        elif is_ours and (_HALF_WRITTEN.search(path.name) or (name.startswith("landing/") and _is_part(path))):
            violations.append(f"{path} is half written")
    violations += _strangers(settings)
    violations += _half_releases(settings)
    if system_temp is not None and system_temp.is_dir():
        violations += [f"{path} is left over in the system's temp folder" for path in sorted(system_temp.iterdir())]
    return _some(violations, 3 * _NAMED)


def _is_part(path: Path) -> bool:
    """Whether a file in the landing folder is one that `city-index ingest` was writing; others' are theirs."""
    return path.is_file() and path.name.startswith(".") and is_working_file(path.name)


def _strangers(settings: Settings) -> Iterator[str]:
    """Published files that the manifest does not name."""
    manifest = store.current_release(settings)
    if manifest is not None:
        for name in sorted(_files(settings.published) - set(manifest.files) - {MANIFEST_NAME}):
            yield f"{settings.published / name} is no file of release {manifest.release_id}"


def _half_releases(settings: Settings) -> Iterator[str]:
    for folder in store.unreadable_releases(settings):
        yield f"{folder} is half a release"


def no_lock_held(settings: Settings) -> list[str]:
    """Nobody holds the rebuild lock."""
    holder = lock_holder(settings.lock_file)
    return [] if holder is None else [f"the rebuild lock is held by {holder}"]


def processes_of(settings: Settings) -> list[str]:
    """The command lines of all processes that work on the home now, by their environment; Linux only, else none."""
    found = []
    wanted = f"CITY_INDEX_HOME={settings.home}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
        except OSError:
            continue  # it has ended, or is another user's
    return [line for line in found if line]


def nothing_lost(settings: Settings, ingested: Collection[tuple[str, str]]) -> list[str]:
    """Every file that was put into the landing folder has landed, or still lies there; none has landed twice.

    Args:
        settings: of the home.
        ingested: kind and SHA-256 of the files.
    """
    try:
        records = RawStore(settings).records()
    except CityIndexError as error:
        return [str(error)]
    # A file of raw/ and the one that it is being merged into hold the same batches until the next landing.
    batches = {record.batch_id: (record.kind, record.file_sha256) for record in records if record.retry_of is None}
    landed = Counter(batches.values())
    waiting = {
        (kind, file_sha256(path))
        for kind in KINDS
        if (settings.landing / kind).is_dir()
        for path in (settings.landing / kind).iterdir()
        if path.is_file() and not is_working_file(path.name)
    }
    lost = [
        f"the {kind} file {sha256[:8]} has neither landed nor does it lie in the landing folder"
        for kind, sha256 in sorted(set(ingested))
        if (kind, sha256) not in landed and (kind, sha256) not in waiting
    ]
    doubled = [
        f"the {kind} file {sha256[:8]} has landed {count} times"
        for (kind, sha256), count in sorted(landed.items())
        if count > 1
    ]
    return _some(lost + doubled)


def accounts_balance(settings: Settings, is_archive_kept: bool = True) -> list[str]:
    """Every batch: received = accepted + quarantined, by its record and by the rows, each row and key once.

    Args:
        settings: of the home.
        is_archive_kept: whether each landed file must still lie in the archive as it arrived.
    """
    try:
        records = RawStore(settings).records()
    except CityIndexError as error:
        return [str(error)]
    violations = [
        f"batch {batch_id} has {count} records"
        for batch_id, count in Counter(record.batch_id for record in records).items()
        if count > 1
    ]
    for kind in KINDS:
        key = ", ".join(("batch_id", *contracts()[kind].key))
        accepted = _rows_of_batches(settings.raw / kind, key)
        quarantined = _rows_of_batches(settings.quarantine / kind, "batch_id, row_number")
        mine = [record for record in records if record.kind == kind]
        for record in mine:
            counts = (accepted.get(record.batch_id, (0, 0)), quarantined.get(record.batch_id, (0, 0)))
            expected = (record.accepted_count, record.quarantined_count)
            if tuple(rows for rows, _distinct in counts) != expected or sum(expected) != record.received_count:
                violations.append(
                    f"batch {record.batch_id} received {record.received_count} rows, its record accepts and "
                    f"quarantines {expected}, and its files hold {tuple(rows for rows, _distinct in counts)}"
                )
            violations += [
                f"batch {record.batch_id} holds {rows} rows in {place}/ and {distinct} different ones"
                for place, (rows, distinct) in zip(("raw", "quarantine"), counts, strict=True)
                if rows != distinct
            ]
            if is_archive_kept and record.retry_of is None:
                violations += _archive_fault(settings, record)
        violations += [
            f"rows of {batch_id} stand in raw/ or quarantine/ without a record"
            for batch_id in sorted((set(accepted) | set(quarantined)) - {record.batch_id for record in mine})
        ]
    return _some(violations)


def _rows_of_batches(folder: Path, key: str) -> dict[str, tuple[int, int]]:
    """Rows and different keys of each batch of a folder."""
    files = sorted(folder.glob("*.parquet"))
    if not files:
        return {}
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"select batch_id, count(*), count(distinct ({key})) from {parquet_rows(files)} group by batch_id"
        ).fetchall()
    return {batch_id: (count, distinct) for batch_id, count, distinct in rows}


def _archive_fault(settings: Settings, record: BatchRecord) -> list[str]:
    """What is wrong with the landed file in the archive; it may still lie in the landing folder."""
    folder = settings.archive / record.kind / record.batch_id
    archived = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    if any(file_sha256(path) == record.file_sha256 for path in archived):
        return []
    waiting = settings.landing / record.kind
    if waiting.is_dir() and any(
        file_sha256(path) == record.file_sha256 for path in waiting.iterdir() if path.is_file()
    ):
        return []
    return [f"the file of batch {record.batch_id} lies neither in the archive nor in the landing folder"]


def _some(violations: list[str], shown: int = _NAMED) -> list[str]:
    """The first violations, and how many more there are."""
    more = len(violations) - shown
    return violations[:shown] + ([f"and {more} more of that sort"] if more > 0 else [])
