"""Files that a command writes where the user says: nowhere that the project keeps, and whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from city_index.errors import UsageError, in_one_line
from city_index.landing.door import shown
from city_index.settings import Settings


def target_of(
    settings: Settings,
    option: str,
    given: str,
    source: Path | None = None,
    source_name: str = "the file that is read",
    otherwise: str = "",
) -> Path:
    """Where a file that an option names goes, with links followed.

    Args:
        settings: whose folders are not written into.
        option: its name, for messages.
        given: the path as it was given.
        source: a file that is read and must not be written over.
        source_name: what that is, for messages.
        otherwise: what else may be named, for messages.

    Raises:
        UsageError: it cannot go there, or must not.
    """
    try:
        target = Path(given).resolve()
        is_other_thing = target.exists() and not target.is_file()
        has_folder = target.parent.is_dir()
        is_source = source is not None and target.exists() and source.exists() and target.samefile(source)
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"{option}: {shown(given)} cannot be written: {in_one_line(error)}") from None
    name = shown(target)
    for folder in (
        settings.published,
        settings.releases,
        settings.raw,
        settings.quarantine,
        settings.archive,
        settings.let_go,
        settings.landing,
        settings.warehouse,
        settings.dagster_home,
    ):
        if target.is_relative_to(folder.resolve()):
            raise UsageError(f"{option}: {name} is inside {folder}, which the project keeps; name another place")
    if is_source:
        raise UsageError(f"{option}: {name} is {source_name}; name another place")
    if is_other_thing:
        raise UsageError(f"{option}: {name} is no plain file; name another place{otherwise}")
    if not has_folder:
        raise UsageError(f"{option}: there is no folder {shown(target.parent)}; make it, or name another place")
    return target


def put_in_place(option: str, target: Path, write: Callable[[Path], None]) -> None:
    """Have a file written beside its place, and put it there in one step.

    Raises:
        UsageError: it cannot be written.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        write(temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise UsageError(f"{option}: {shown(target)} cannot be written: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)
