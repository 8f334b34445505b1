"""The manifest of a release: what it is made of and the checksum of every file.

The manifest is written last, so a folder with a manifest is a whole release.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath

from city_index.checksums import file_sha256
from city_index.durability import write_in_one_step

MANIFEST_NAME = "manifest.json"

_TEXTS = (
    "release_id",
    "built_at_utc",
    "code_version",
    "input_hash",
    "content_hash",
    "duckdb_version",
    "storage_version",
    "notice",
)


@dataclass(frozen=True)
class Manifest:
    """A release in words.

    Attributes:
        release_id: the time it was built (UTC) and the first digits of its content hash; unique in a home.
        sequence: counts the releases of a home; the order of releases, whatever the clock says.
        built_at_utc: when the build began, ISO 8601.
        code_version: version and fingerprint of the code.
        input_hash: SHA-256 over the inputs.
        content_hash: SHA-256 over the data tables; equal for equal data, whenever they were built.
        duckdb_version: the DuckDB that wrote the database.
        storage_version: the storage format of the database: the oldest DuckDB that opens it.
        notice: what must be said beside its scores.
        checks: how many checks ended in each status.
        tables: rows of each table.
        files: for each file beside the manifest, by its path, its SHA-256 and size in bytes; a published manifest lists
            what is published.
    """

    release_id: str
    sequence: int
    built_at_utc: str
    code_version: str
    input_hash: str
    content_hash: str
    duckdb_version: str
    storage_version: str
    notice: str
    checks: dict[str, int]
    tables: dict[str, int]
    files: dict[str, dict] = field(default_factory=dict)

    @property
    def file_bytes(self) -> int:
        """The bytes of all its files but the manifest."""
        return sum(entry["bytes"] for entry in self.files.values())

    def is_same_content(self, other: Manifest) -> bool:
        """Whether the other release came from the same inputs and code and holds the same data."""
        return (self.input_hash, self.code_version, self.content_hash) == (
            other.input_hash,
            other.code_version,
            other.content_hash,
        )


def list_files(folder: Path) -> dict[str, dict]:
    """SHA-256 and size of every file of a release but its manifest, by path."""
    return {
        path.relative_to(folder).as_posix(): {"sha256": file_sha256(path), "bytes": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST_NAME
    }


def write_manifest(folder: Path, manifest: Manifest, mode: int | None = None) -> None:
    """Write a folder's manifest in one step; with a mode of its own where that is given."""
    text = json.dumps(asdict(manifest), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    write_in_one_step(folder / MANIFEST_NAME, text, mode)


def read_manifest(folder: Path) -> Manifest | None:
    """Read a folder's manifest; None where there is none that can be read."""
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8")))
        datetime.fromisoformat(manifest.built_at_utc)
        is_whole = (
            all(isinstance(getattr(manifest, name), str) for name in _TEXTS)
            and all(isinstance(number, int) for number in (manifest.sequence, *_numbers(manifest)))
            and all(set(entry) == {"sha256", "bytes"} for entry in manifest.files.values())
        )
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return None
    return manifest if is_whole else None


def _numbers(manifest: Manifest) -> list[int]:
    """What ought to be numbers in the tables, checks and files of a manifest."""
    counts = [*manifest.tables.values(), *manifest.checks.values()]
    return counts + [entry["bytes"] for entry in manifest.files.values()]


def faults(folder: Path, manifest: Manifest, only: tuple[str, ...] | None = None) -> list[str]:
    """What is wrong with the files of a release, one sentence for each; empty where nothing is.

    Args:
        folder: where the release, or its published copy, stands.
        manifest: what the files should be.
        only: path prefixes to look at; all files by default.
    """
    found = []
    for name, expected in manifest.files.items():
        if only is not None and not name.startswith(only):
            continue
        fault = _fault(folder, name, expected)
        if fault is not None:
            found.append(fault)
    return found


def is_inside(name: str) -> bool:
    """Whether a name in a manifest is a path below its folder; another is never opened, copied or removed."""
    parts = PurePosixPath(name).parts
    return bool(parts) and ".." not in parts and not name.startswith("/") and "\0" not in name


def unknown_files(folder: Path, manifest: Manifest) -> list[str]:
    """The files of a release that its manifest does not list, one sentence for each."""
    listed = {*manifest.files, MANIFEST_NAME}
    return [
        f"{path} is not in the manifest"
        for path in sorted(folder.rglob("*"))
        if (path.is_symlink() or not path.is_dir()) and path.relative_to(folder).as_posix() not in listed
    ]


def _fault(folder: Path, name: str, expected: dict) -> str | None:
    """What is wrong with a file of a release; a link is not followed."""
    if not is_inside(name):
        return f"{folder / MANIFEST_NAME} lists {name[:100]!r}, which does not lie in {folder}"
    path = folder / name
    for step in (path, *path.parents):
        if step == folder:
            break
        if step.is_symlink():
            return f"{step} is a link, which is not followed; put the file itself there"
    try:
        if not path.is_file():
            return f"{path} is missing"
        if path.stat().st_size != expected["bytes"] or file_sha256(path) != expected["sha256"]:
            return f"{path} differs from its manifest"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return None
