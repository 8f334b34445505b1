"""The kept releases and the published copy of the current one.

``releases/<release_id>/`` holds whole, immutable releases; ``published/`` holds copies of the current one's files, each
replaced atomically, so that a reader has the old file or the new one and never a part. The manifest is replaced last.

Everything that writes here runs under the rebuild lock.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb

from city_index.database import open_database
from city_index.durability import sync, write_in_one_step
from city_index.errors import CityIndexError, UsageError
from city_index.permissions import PUBLISHED_FILE_MODE, make_published_folders
from city_index.releases.assemble import DATABASE_NAME
from city_index.releases.manifest import (
    MANIFEST_NAME,
    Manifest,
    faults,
    is_inside,
    read_manifest,
    unknown_files,
    write_manifest,
)
from city_index.settings import Settings

# The data docs of the gates stay with the kept release; readers get all the rest.
_KEPT_ONLY = "data_docs/"

# Folders of which every file is a release's own.
_SWEPT_FOLDERS = {"parquet": ".parquet", "csv": ".csv", "report": ""}

# How a release is named: the time of its build, UTC, and the first digits of its content hash.
_RELEASE_NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}(-\d+)?")

_STAGING_PREFIX = ".staging-"
_REMOVAL_PREFIX = ".removing-"
_TEMPORARY_SUFFIX = ".publishing"


def _release_folders(settings: Settings) -> list[Path]:
    """The folders under ``releases/`` that are named like a release; anything else there is not ours to touch."""
    if not settings.releases.is_dir():
        return []
    return sorted(path for path in settings.releases.iterdir() if _RELEASE_NAME.fullmatch(path.name))


def kept_releases(settings: Settings) -> list[Manifest]:
    """The manifests of all whole releases, newest first; a link in the place of a release is none."""
    found = []
    for folder in _release_folders(settings):
        if folder.is_symlink():
            continue
        manifest = read_manifest(folder)
        if manifest is not None and manifest.release_id == folder.name:
            found.append(manifest)
    return sorted(found, key=lambda manifest: manifest.sequence, reverse=True)


def unreadable_releases(settings: Settings) -> list[Path]:
    """The folders that are named like a release and whose manifest is another's or cannot be read."""
    kept = {manifest.release_id for manifest in kept_releases(settings)}
    return [folder for folder in _release_folders(settings) if folder.name not in kept]


def current_release(settings: Settings) -> Manifest | None:
    """The manifest of what is published; None where nothing is."""
    return read_manifest(settings.published)


def last_release(settings: Settings) -> tuple[Path, Manifest] | None:
    """The database to compare a new build with, and its manifest: the published release's, or the newest kept one's.

    A copy that differs from its manifest is passed over, so that damage never stops a rebuild.
    """
    current = current_release(settings)
    candidates = [(settings.published, current)] if current is not None else []
    candidates += [(settings.releases / manifest.release_id, manifest) for manifest in kept_releases(settings)]
    for folder, manifest in candidates:
        if not faults(folder, manifest, only=(DATABASE_NAME,)) and not Path(f"{folder / DATABASE_NAME}.wal").exists():
            return folder / DATABASE_NAME, manifest
    return None


def last_release_database(settings: Settings) -> Path | None:
    """The database of ``last_release``; None where there is none."""
    last = last_release(settings)
    return None if last is None else last[0]


def published_batches(settings: Settings) -> set[str]:
    """The ids of the landed batches that the last release holds; none where there is no release that says."""
    database = last_release_database(settings)
    if database is None:
        return set()
    try:
        with open_database(database) as connection:
            return {batch_id for (batch_id,) in connection.execute("select batch_id from meta_batches").fetchall()}
    except duckdb.Error:
        return set()


def release_faults(settings: Settings, manifest: Manifest) -> list[str]:
    """What is wrong with the files of a kept release, one sentence each; empty where nothing is."""
    return faults(settings.releases / manifest.release_id, manifest)


def stray_files(settings: Settings, manifest: Manifest) -> list[str]:
    """The files of a kept release that it does not list, one sentence each; they are never published."""
    return unknown_files(settings.releases / manifest.release_id, manifest)


def published_faults(settings: Settings) -> list[str]:
    """What is wrong with the published files, one sentence each; empty where nothing is, or nothing is published."""
    manifest = current_release(settings)
    if manifest is None:
        return []
    found = faults(settings.published, manifest)
    wal = Path(f"{settings.published_database}.wal")
    if wal.exists():
        found.append(f"{wal} is left over from a writer and blocks readers")
    return found


def demand_no_link(settings: Settings, release_id: str) -> None:
    """Refuse a release in whose place a link stands.

    Raises:
        CityIndexError: one does.
    """
    if any(folder.name == release_id and folder.is_symlink() for folder in _release_folders(settings)):
        raise CityIndexError(
            f"{settings.releases / release_id} is a link, which is not followed; put the release itself there"
        )


def staging_folder(settings: Settings, build_id: str) -> Path:
    """A new, empty folder in which a release is assembled."""
    folder = settings.releases / f"{_STAGING_PREFIX}{build_id}"
    folder.mkdir(parents=True)
    return folder


def half_releases(settings: Settings) -> list[Path]:
    """The folders of releases that are being assembled or removed, or were when a run was killed."""
    return [
        *settings.releases.glob(f"{_STAGING_PREFIX}*"),
        *settings.releases.glob(f"{_REMOVAL_PREFIX}*"),
    ]


def remove_leftovers(settings: Settings) -> None:
    """Remove what a run that was killed left behind."""
    if settings.releases.is_dir():
        for folder in half_releases(settings):
            shutil.rmtree(folder)
    if settings.published.is_dir():
        for path in [*settings.published.rglob(f".*{_TEMPORARY_SUFFIX}"), *settings.published.glob(".*.tmp")]:
            if not path.is_dir():
                path.unlink()


def keep(settings: Settings, staging: Path, release_id: str) -> Path:
    """Turn an assembled folder, manifest and all, into a kept release; gives its folder."""
    folder = settings.releases / release_id
    sync(staging)
    os.rename(staging, folder)
    sync(settings.releases)
    return folder


def _replace_file(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}{_TEMPORARY_SUFFIX}")
    temporary.unlink(missing_ok=True)  # whatever stands there, it is not written through
    shutil.copyfile(source, temporary, follow_symlinks=False)
    temporary.chmod(PUBLISHED_FILE_MODE)
    sync(temporary)
    os.replace(temporary, target)


def _demand_shape(settings: Settings, names: list[str]) -> None:
    """Fail where something else stands in the place of a file or folder that is to be published."""
    for name in _SWEPT_FOLDERS:
        if (settings.published / name).is_symlink():
            raise CityIndexError(
                f"{settings.published / name} is a link where a folder is to be published; move it away"
            )
    for name in [*names, MANIFEST_NAME]:
        target = settings.published / name
        if target.is_dir():
            raise CityIndexError(f"{target} is a folder where a file is to be published; move it away")
        for folder in target.relative_to(settings.published).parents:
            if folder.parts and (settings.published / folder).is_symlink():
                raise CityIndexError(
                    f"{settings.published / folder} is a link where a folder is to be published; move it away"
                )
            if (settings.published / folder).is_file():
                raise CityIndexError(
                    f"{settings.published / folder} is a file where a folder is to be published; move it away"
                )


def activate(settings: Settings, manifest: Manifest) -> None:
    """Make a kept release the published one.

    The database comes first and the manifest last: from the moment the manifest names the release, every file is its.

    Raises:
        CityIndexError: the kept release is damaged, or something stands in the way; nothing was changed.
    """
    damage = release_faults(settings, manifest)
    if damage:
        raise CityIndexError(f"release {manifest.release_id} is damaged: {damage[0]}; nothing was published")
    # Another publication that was cut short is ended first, so that files of three releases never stand together.
    cut_short = _cut_short_before(settings, manifest)
    if cut_short is not None:
        _replace_published(settings, cut_short)
    _replace_published(settings, manifest)


def _replace_published(settings: Settings, manifest: Manifest) -> None:
    """Replace the published files by those of an undamaged kept release; see ``activate``."""
    folder = settings.releases / manifest.release_id
    published = replace(
        manifest, files={name: entry for name, entry in manifest.files.items() if not name.startswith(_KEPT_ONLY)}
    )
    before = current_release(settings)
    _demand_shape(settings, list(published.files))
    make_published_folders(settings, settings.published)
    # A mark that this has begun stands until it is done: a run that begins later sees that it was cut short.
    write_in_one_step(activation_mark(settings), json.dumps({"release_id": manifest.release_id}))
    # A write-ahead log beside the file would make every reader fail; the published file never has one of its own.
    Path(f"{settings.published_database}.wal").unlink(missing_ok=True)
    for name in sorted(published.files, key=lambda name: name != DATABASE_NAME):
        target = settings.published / name
        make_published_folders(settings, target.parent)
        _replace_file(folder / name, target)
    for name in _stale_files(settings, before) - set(published.files):
        (settings.published / name).unlink(missing_ok=True)
    for directory in _folders(settings.published):
        if not any(directory.iterdir()):
            directory.rmdir()
        else:
            sync(directory)
    write_manifest(settings.published, published, PUBLISHED_FILE_MODE)
    sync(settings.published)
    activation_mark(settings).unlink(missing_ok=True)


def activation_mark(settings: Settings) -> Path:
    """The file that stands while the published files are being replaced."""
    return settings.home / "publishing.json"


def _cut_short_before(settings: Settings, manifest: Manifest) -> Manifest | None:
    """The undamaged kept release, other than this one, of which a publication was cut short; None without one."""
    try:
        noted = json.loads(activation_mark(settings).read_text(encoding="utf-8"))["release_id"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if noted == manifest.release_id:
        return None
    found = next((kept for kept in kept_releases(settings) if kept.release_id == noted), None)
    return found if found is not None and not release_faults(settings, found) else None


def _stale_files(settings: Settings, before: Manifest | None) -> set[str]:
    """The published files that go unless the new release has them: those of other releases, and of its folders all.

    The release before need not be the only other one: a publication of any kept one may have been cut short.
    """
    found = {name for manifest in kept_releases(settings) for name in manifest.files}
    found |= set(before.files) if before is not None else set()
    found = {name for name in found if is_inside(name)}
    for folder, suffix in _SWEPT_FOLDERS.items():
        found |= {
            path.relative_to(settings.published).as_posix()
            for path in (settings.published / folder).rglob(f"*{suffix}")
            if path.is_file()
        }
    return found


def _folders(published: Path) -> list[Path]:
    """The folders of the published release, those within others first."""
    found = []
    for name in _SWEPT_FOLDERS:
        folder = published / name
        if folder.is_dir():
            found += [path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink()] + [folder]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def wanted_release(settings: Settings) -> Manifest | None:
    """The kept release that ought to be published: the newest, unless a person rolled back from it.

    A rollback holds for as long as the release it was made from is the newest and the one it was made to is undamaged.
    Where the note of it cannot be read, what is published is taken for what was wanted.
    """
    releases = kept_releases(settings)
    if not releases:
        return None
    newest = releases[0]
    try:
        rollback = json.loads(_rollback_file(settings).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return newest
    except (OSError, ValueError):
        rollback = None
    if not isinstance(rollback, dict):
        current = current_release(settings)
        rollback = {"from": newest.release_id, "to": current.release_id if current is not None else None}
    if rollback.get("from") != newest.release_id:
        return newest
    for manifest in releases:
        if manifest.release_id == rollback.get("to"):
            return newest if release_faults(settings, manifest) else manifest
    return newest


def _rollback_file(settings: Settings) -> Path:
    return settings.home / "rollback.json"


def publish_wanted(settings: Settings) -> Manifest | None:
    """See that the wanted release is the published one; gives it where that took publishing it.

    A run that was cut short after it had kept a release is completed here; a release that was rolled back stays so.
    """
    current, wanted = current_release(settings), wanted_release(settings)
    if wanted is None:
        return None
    if current is not None and current.release_id == wanted.release_id and not published_faults(settings):
        activation_mark(settings).unlink(missing_ok=True)  # it was cut short after all was done
        return None
    activate(settings, wanted)
    return wanted


def complete_activation(settings: Settings) -> Manifest | None:
    """Publish the wanted release where another one is published, or where publishing was cut short; gives it then.

    What is damaged otherwise is not looked for: that takes reading every published file, see ``publish_wanted``.
    """
    current, wanted = current_release(settings), wanted_release(settings)
    if wanted is None:
        return None
    is_wanted = current is not None and current.release_id == wanted.release_id
    if is_wanted and not activation_mark(settings).exists():
        return None
    return publish_wanted(settings)


def prune(settings: Settings) -> list[str]:
    """Remove the oldest releases beyond the number kept, but never the published one; gives the removed ids."""
    current = current_release(settings)
    removed = []
    for manifest in kept_releases(settings)[settings.releases_kept :]:
        if current is not None and manifest.release_id == current.release_id:
            continue
        # Under another name a folder is no release, so a removal that is cut short is taken up by the next run.
        removed_folder = settings.releases / f"{_REMOVAL_PREFIX}{manifest.release_id}"
        os.rename(settings.releases / manifest.release_id, removed_folder)
        shutil.rmtree(removed_folder)
        removed.append(manifest.release_id)
    return removed


def roll_back(settings: Settings, release_id: str) -> Manifest:
    """Make a kept release the published one again; gives its manifest.

    Raises:
        UsageError: there is no such release, or it is the published one already, undamaged, and was to stay so.
        CityIndexError: the kept release is damaged.
    """
    releases = {manifest.release_id: manifest for manifest in kept_releases(settings)}
    if release_id not in releases:
        demand_no_link(settings, release_id)
        raise UsageError(f"there is no release {release_id}; `city-index releases` lists those that are kept")
    current = current_release(settings)
    is_published = current is not None and current.release_id == release_id and not published_faults(settings)
    # Another rollback may have been noted and cut short, or a newer release kept and not yet published: the release
    # that is asked for last is the one that stays.
    if is_published and wanted_release(settings).release_id == release_id:
        raise UsageError(f"release {release_id} is the published one already")
    newest = next(iter(releases))
    damage = release_faults(settings, releases[release_id])
    if damage:
        raise CityIndexError(f"release {release_id} is damaged: {damage[0]}; nothing was changed")
    # The intention is written first: if what follows is cut short, the next run completes it.
    if release_id == newest:
        _rollback_file(settings).unlink(missing_ok=True)
    else:
        write_in_one_step(_rollback_file(settings), json.dumps({"from": newest, "to": release_id}))
    sync(settings.home)
    if is_published:
        activation_mark(settings).unlink(missing_ok=True)
    else:
        activate(settings, releases[release_id])
    return releases[release_id]
