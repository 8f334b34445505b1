"""Checksums of files.

What belongs here: what a file's bytes are, in a few characters. What they ought to be stands in the ledger of landed
files and in the manifests of releases.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Checksum:
    """What a file is known by.

    Attributes:
        sha256: of its bytes, in hex.
        bytes: how many they are.
    """

    sha256: str
    bytes: int


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_checksum(path: Path) -> Checksum:
    """The checksum of a file."""
    return Checksum(file_sha256(path), path.stat().st_size)
