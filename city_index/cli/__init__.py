"""The console script ``city-index``.

What belongs here: reading arguments, calling the work, saying the result. Slow libraries are imported by the command
that needs them, so that ``status`` answers at once.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
import traceback
from pathlib import Path

import click

from city_index import __version__
from city_index.cli.diff import diff
from city_index.cli.doctor import doctor
from city_index.cli.explain import explain
from city_index.cli.ingest import ingest
from city_index.cli.messages import complain
from city_index.cli.releases import releases, rollback, verify
from city_index.cli.run import run
from city_index.cli.status import status
from city_index.cli.whatif import whatif
from city_index.errors import CityIndexError, UsageError
from city_index.settings import Settings

# What a disk that is full or a folder that is gone, closed or none makes of a command.
_OF_DISKS_AND_FOLDERS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EXDEV,
    errno.EBUSY,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENOENT,
    errno.EIO,
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="city-index")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def city_index(debug: bool) -> None:
    """Composite indices of cities: rebuild, inspect and roll back releases."""


for command in (run, ingest, status, releases, rollback, verify, diff, whatif, explain, doctor):
    city_index.add_command(command)


def main() -> None:
    """Run the command line; every error ends in one line and its exit code."""
    # What a terminal or a file cannot show is written as an escape, and ends no command.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # --debug is understood before and after the command.
    debug = "--debug" in sys.argv
    try:
        city_index.main([word for word in sys.argv[1:] if word != "--debug"], standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.ctx.get_help())
        sys.exit(UsageError.exit_code)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        sys.exit(_complain(error.format_message(), UsageError.exit_code))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(_complain("interrupted; what was published is untouched", 130))
    except CityIndexError as error:
        if debug:
            traceback.print_exc()
        sys.exit(_complain(str(error), error.exit_code))
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, OSError) and error.errno != errno.EPIPE and (problem := _home_problem()) is not None:
            sys.exit(_complain(problem, UsageError.exit_code))
        if isinstance(error, OSError) and error.errno in _OF_DISKS_AND_FOLDERS:
            where = error.filename or Settings.from_environment().home
            sys.exit(_complain(f"{where}: {error.strerror}; `city-index doctor` says what is wrong and what to do", 1))
        reason = (str(error) or type(error).__name__).splitlines()[0]
        sys.exit(_complain(f"unexpected: {reason}; run again with --debug for the traceback", 1))


def _home_problem() -> str | None:
    """Why no folder can be where the settings put the home, for a command that failed over files; None where one can.

    Commands that only look work without a home, so that this is asked when something went wrong; it makes nothing.
    """
    home = Settings.from_environment().home
    try:
        missing = [path for path in (home, *home.parents) if not _is_there(path)]
        existing = missing[-1].parent if missing else home
        if not stat.S_ISDIR(existing.stat().st_mode):
            problem = errno.ENOTDIR
        elif missing and not os.access(existing, os.W_OK | os.X_OK):
            problem = errno.EROFS if os.statvfs(existing).f_flag & os.ST_RDONLY else errno.EACCES
        else:
            return None
    except OSError as error:
        problem = error.errno
    return (
        f"CITY_INDEX_HOME is {home}, which can be no folder ({os.strerror(problem)}); set it to a folder, or to a "
        "place where this user may make one"
    )


def _is_there(path: Path) -> bool:
    """Whether a path leads to something; a link that leads nowhere is something in the way.

    Raises:
        OSError: this cannot be looked at, as where a file stands in the place of a folder.
    """
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _complain(message: str, exit_code: int) -> int:
    complain(message)
    return exit_code
