"""Who may read and write what a home holds, as modes of files and folders.

The state is the user's under whom the project runs: a group may read it, others may not, and nobody else may write.
What is published is for everybody to read. A folder that a person made keeps the mode that it has.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from city_index.settings import Settings

# What is taken from every file and folder that is made.
STATE_UMASK = 0o027

PUBLISHED_FILE_MODE = 0o644
PUBLISHED_FOLDER_MODE = 0o755

# Others may pass through a home on the way to what is published, and see nothing of it.
HOME_MODE = 0o751

# How many entries doctor looks at; a home holds some thousands.
_LOOKED_AT = 200_000


@contextmanager
def state_umask() -> Iterator[None]:
    """Have this process, and those that it starts, make files that others may not read."""
    before = os.umask(STATE_UMASK)
    try:
        yield
    finally:
        os.umask(before)


def make_home(home: Path) -> None:
    """Make a home that is not there; one that is keeps its mode."""
    try:
        home.mkdir(parents=True)
    except FileExistsError:
        return
    home.chmod(HOME_MODE)


def make_published_folders(settings: Settings, folder: Path) -> None:
    """Make a folder of what is published, with those above it, readable for everybody; ours alone are changed."""
    make_home(settings.home)
    below = folder.relative_to(settings.published)
    for step in [settings.published, *(settings.published / part for part in reversed(below.parents[:-1])), folder]:
        step.mkdir(exist_ok=True)
        if step.stat().st_uid == os.geteuid() and stat.S_IMODE(step.stat().st_mode) & 0o555 != 0o555:
            step.chmod(PUBLISHED_FOLDER_MODE)


def writable_by_others(settings: Settings) -> list[Path]:
    """What of a home everybody may write, but for the landing folder, which a person may have opened on purpose.

    What lies in a folder that others cannot enter is out of their reach, whatever its own mode.
    """
    found: list[Path] = []
    waiting, seen = [settings.home], 0
    while waiting and seen < _LOOKED_AT:
        path = waiting.pop()
        try:
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                continue
            if mode & stat.S_IWOTH:
                found.append(path)
            if stat.S_ISDIR(mode) and mode & stat.S_IXOTH:
                below = [entry for entry in path.iterdir() if entry != settings.landing]
                waiting += below
                seen += len(below)
        except OSError:
            continue  # it went away meanwhile, or is not for us to look at
    return sorted(found)
