"""``city-index ingest``: files into the landing folder's right place."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
import stat
from pathlib import Path

import click

from city_index.cli.messages import complain
from city_index.contracts import KINDS, contracts
from city_index.durability import sync
from city_index.errors import CityIndexError, NothingPublishable, UsageError
from city_index.landing.csv_files import UnreadableFile
from city_index.landing.door import copy_in_progress, format_or_size_fault, is_working_file, shown
from city_index.landing.staging import check_header, header_of, kind_of
from city_index.permissions import make_home, state_umask
from city_index.settings import Settings

# What a file system says that knows no links.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--kind", type=click.Choice(KINDS), help="What the files hold, where their header does not tell.")
def ingest(files: tuple[Path, ...], kind: str | None) -> None:
    """Copy FILES into the landing folder after checking their kind; the next run lands them."""
    settings = Settings.from_environment()
    problems: list[CityIndexError] = []
    for file in files:
        try:
            click.echo(_ingest(settings, file, kind))
        except CityIndexError as error:
            problems.append(error)
            if len(files) > 1:
                complain(str(error))
    if len(problems) == 1 and len(files) == 1:
        raise problems[0]
    if problems:
        raise type(problems[0])(f"{len(problems)} of {len(files)} files were not taken; each line above says why")


def _ingest(settings: Settings, file: Path, kind: str | None) -> str:
    """Copy one file into the landing folder; gives what was done.

    Raises:
        UsageError: there is no such file, or its kind cannot be told.
        NothingPublishable: its format or columns are not those of its kind.
    """
    name = shown(file)
    try:
        found = file.stat()
    except FileNotFoundError:
        raise UsageError(f"{name}: there is no such file") from None
    except OSError as error:
        raise UsageError(f"{name}: cannot be opened: {error.strerror}") from None
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{name}: is no plain file; name the files in it")
    if is_working_file(file.name):
        raise NothingPublishable(f"{name}: its name is that of a file that is still being worked on; rename it")
    fault = format_or_size_fault(settings, file.name, found.st_size)
    if fault:
        raise NothingPublishable(f"{name}: {fault[0]}: {fault[1]}")
    try:
        header = header_of(file)
        kind = kind or kind_of(header) or _nearest_kind(name, header)
        check_header(contracts()[kind], header)
    except UnreadableFile as error:
        raise NothingPublishable(f"{name}: {error}") from None
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror}") from None
    if (settings.landing / kind).is_symlink():
        raise UsageError(f"{settings.landing / kind} is a link, which is not followed; make it a folder")
    try:
        make_home(settings.home)
        with state_umask():
            return _copy(file, settings.landing / kind, name)
    except OSError as error:
        raise UsageError(f"{name}: cannot be copied to {settings.landing / kind}: {error.strerror}") from None


def _nearest_kind(name: str, header: list[str]) -> str:
    """The kind most of whose required columns a header has, so that what is wrong with the others can be said.

    Raises:
        UsageError: there is none, or more than one.
    """
    shares = {
        kind: len(set(contract.required_names) & set(header)) / len(contract.required_names)
        for kind, contract in contracts().items()
    }
    best = max(shares.values())
    candidates = [kind for kind, share in shares.items() if share == best and best > 0.5]
    if len(candidates) != 1:
        raise UsageError(
            f"{name}: its columns ({', '.join(header[:10])}) do not tell its kind; name it with --kind "
            f"({', '.join(KINDS)}), or mend the header"
        )
    return candidates[0]


def _copy(file: Path, folder: Path, name: str) -> str:
    """Copy a file under a name that is free, so that it appears in one step and takes no other's place."""
    folder.mkdir(parents=True, exist_ok=True)
    with copy_in_progress(folder) as copy:
        shutil.copyfile(file, copy)
        sync(copy)
        target, count = folder / file.name, 1
        while not _place(copy, target):
            if _is_same(copy, target):
                return f"{name}: lies in {folder} already"
            count += 1
            target = folder / f"{file.stem}-{count}{file.suffix}"
        sync(folder)
    return f"{name}: copied to {shown(target)}; `city-index run` lands it"


def _place(copy: Path, target: Path) -> bool:
    """Give a file a name; says whether the name was free."""
    try:
        os.link(copy, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without links: another process may take the name between the look and the move.
        if os.path.lexists(target):
            return False
        os.replace(copy, target)
    return True


def _is_same(copy: Path, target: Path) -> bool:
    """Whether a file holds the same bytes; one that has just been landed is not there any more."""
    try:
        return not target.is_symlink() and target.is_file() and filecmp.cmp(copy, target, shallow=False)
    except FileNotFoundError:
        return False
