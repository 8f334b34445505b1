"""Temporary files of a rebuild: all in one folder of the home, which is removed when it begins and when it ends.

The system's temp folder is nobody's to clear: what a killed run leaves there stays for good.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from city_index.errors import CityIndexError

_folder: Path | None = None


def temporary_folder() -> Path | None:
    """Where the temporary files of the rebuild that this process belongs to go; None where it belongs to none."""
    return _folder


@contextmanager
def temporary_files_in(folder: Path) -> Iterator[None]:
    """Have this process make its temporary files in a folder for the length of the ``with`` block.

    The folder is the caller's alone: what stands there goes at both ends.

    Raises:
        CityIndexError: something else stands in its place.
    """
    global _folder
    empty_own_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    _folder = folder
    try:
        yield
    finally:
        _folder, tempfile.tempdir = None, before
        shutil.rmtree(folder, ignore_errors=True)


def empty_own_folder(folder: Path) -> None:
    """Remove a folder that is the project's alone, with all that a killed run left there.

    Raises:
        CityIndexError: a file or a link stands in its place; it is somebody's, and stays.
    """
    if is_no_own_folder(folder):
        raise CityIndexError(f"{folder} is not a folder of this home; move away what stands there")
    shutil.rmtree(folder, ignore_errors=True)


def is_no_own_folder(folder: Path) -> bool:
    """Whether something stands where a folder of the project's alone belongs that is none: a file, or a link."""
    return folder.is_symlink() or (folder.exists() and not folder.is_dir())


def join_temporary_files_in(folder: Path) -> None:
    """Have this process, which is a helper, and those that it starts make their temporary files in a folder."""
    global _folder
    folder.mkdir(parents=True, exist_ok=True)
    _folder, tempfile.tempdir = folder, str(folder)
    os.environ["TMPDIR"] = str(folder)
