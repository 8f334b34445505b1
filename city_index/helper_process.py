"""Helpers: processes that a rebuild starts, and that cannot outlive it.

What belongs here: starting a module of Python as a helper, and waiting for those of a killed run. What does not: what a
helper does. Everything that a rebuild starts is started with ``helper_command``.

A helper ends as soon as its parent does, holds a shared lock on the helpers' lock file while it lives, and makes its
temporary files in the folder that it is given. A later rebuild waits until it has that lock to itself; so nothing that
a killed run left over can write into a newer build. A helper that was still starting when its parent was killed gets
the lock after that rebuild, finds that its parent is gone, and ends before it has done anything.
"""

from __future__ import annotations

import fcntl
import os
import runpy
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from city_index.errors import CityIndexError
from city_index.settings import SECRETS
from city_index.temporary import join_temporary_files_in

_POLL_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 120


def helper_command(lock_file: Path, temporary: Path, module: str, *arguments: str) -> list[str]:
    """The command line that runs a module as a helper of this process.

    Args:
        lock_file: the helpers' lock file; its folder is there.
        temporary: where the helper makes its temporary files; made when missing.
        module: the module, run as ``python -m`` would.
        arguments: its arguments.
    """
    parent = str(os.getpid())
    return [
        sys.executable,
        "-m",
        "city_index.helper_process",
        str(lock_file),
        str(temporary),
        parent,
        module,
        *arguments,
    ]


def helper_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a helper: that of this process without the secrets, which no helper needs."""
    return {name: value for name, value in environ.items() if name not in SECRETS}


def wait_for_helpers(lock_file: Path) -> None:
    """Wait until no helper holds the lock file; at most moments, as a helper ends with its parent.

    Raises:
        CityIndexError: one does not end.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
    with lock_file.open("a") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise CityIndexError(
                        "a helper of an earlier run, or of a code server of Dagster that is parsing the project, "
                        f"still holds {lock_file} after {_LONGEST_WAIT_SECONDS} seconds; wait for it or end it "
                        f"(fuser {lock_file} names it), and run again"
                    ) from None
            time.sleep(_POLL_SECONDS)


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(1)


def main() -> None:
    """Run the module of the command line as a helper; its exit code is the process's."""
    lock_file, temporary, parent, module, *arguments = sys.argv[1:]
    # Held until the process ends, however it does.
    fcntl.flock(os.open(lock_file, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644), fcntl.LOCK_SH)
    if os.getppid() != int(parent):
        os._exit(1)
    threading.Thread(target=_end_with_parent, args=(int(parent),), daemon=True).start()
    join_temporary_files_in(Path(temporary))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
