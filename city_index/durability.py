"""Making files durable: what is on disk after this stays there when the power goes."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make every file of a folder, and the folder itself, durable."""
    for path in sorted(folder.rglob("*"), reverse=True):
        sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Make one file or folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_of(path: Path) -> Path:
    """Where ``write_in_one_step`` writes a file before it is put in its place."""
    return path.with_name(f".{path.name}.tmp")


def write_in_one_step(path: Path, text: str, mode: int | None = None) -> None:
    """Write a text file, durably, so that there is the old file or the new one and never a part.

    A file that cannot be written, as on a full disk, stays as it was and leaves nothing beside it. The file gets
    the mode, where one is given, before anybody sees it.
    """
    temporary = temporary_of(path)
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    with suppress(OSError):
        sync(path.parent)
