"""dbt in a process of its own that cannot outlive the rebuild that started it.

Run as ``python -m city_index.dbt_process LOCK_FILE ARGUMENT...``. The process ends as soon as its parent does, and
holds a lock on LOCK_FILE while it lives; a later rebuild waits for that lock, so a dbt left over from a killed run can
never write into a newer build.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
import time
from pathlib import Path

_POLL_SECONDS = 0.1


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(1)


def wait_until_ended(lock_file: Path) -> None:
    """Wait until no dbt process holds the lock file; at most moments, as such a process ends with its parent."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)


def main() -> int:
    """Run dbt with the arguments of the command line; gives its exit code."""
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    lock_file, *arguments = sys.argv[1:]
    with Path(lock_file).open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        from dbt.cli.main import cli

        try:
            cli.main(args=arguments, prog_name="dbt", standalone_mode=True)
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
