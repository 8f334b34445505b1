"""Fingerprints of files, of the inputs and of the code.

Two runs with the same input hash and the same code version must give the same content; a release records both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from city_index import __version__
from city_index.checksums import file_sha256
from city_index.landing.raw_store import RawStore
from city_index.settings import Settings

# Everything that can change a published number or how it is checked and written.
_CODE_FOLDERS = ("models", "macros", "seeds", "tests/dbt", "city_index", "orchestration")
_CODE_FILES = ("dbt_project.yml", "profiles.yml", "requirements.lock")
_CODE_SUFFIXES = {".sql", ".yml", ".md", ".py", ".jinja", ".css", ".js"}


def _combined_sha256(root: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.relative_to(root).as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def input_files(settings: Settings) -> list[Path]:
    """The files that hold the shipped inputs, sorted."""
    return sorted(settings.seeds.glob("*.csv"))


def input_hash(settings: Settings) -> str:
    """One SHA-256 over all inputs, in hex: the shipped files, the landed batches, and the files that were refused.

    A batch counts by its record, which holds the hash of its file; so merging files of raw/ changes nothing.
    """
    store = RawStore(settings)
    digest = hashlib.sha256(_combined_sha256(settings.project_directory, input_files(settings)).encode())
    for item in [*store.records(), *store.refused_files()]:
        digest.update(json.dumps(asdict(item), ensure_ascii=False, sort_keys=True).encode())
    return digest.hexdigest()


def code_version(settings: Settings) -> str:
    """The version of the project with a fingerprint of its code, e.g. ``0.1.0+3f2a91c04b7d``."""
    root = settings.project_directory
    paths = [root / name for name in _CODE_FILES if (root / name).is_file()]
    for folder in _CODE_FOLDERS:
        paths.extend(path for path in (root / folder).rglob("*") if path.suffix in _CODE_SUFFIXES and path.is_file())
    return f"{__version__}+{_combined_sha256(root, paths)[:12]}"
