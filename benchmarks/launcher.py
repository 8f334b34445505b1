"""Run one command and say how long it took and the most memory that one of its processes had.

Run as ``python -I -S benchmarks/launcher.py RESULT COMMAND...``, by ``benchmarks.measuring`` alone. It imports next to
nothing and stays small: what ``wait4`` tells of a child begins with the memory of the process that started it.
"""

import json
import os
import sys
import time


def main() -> int:
    """Run the command of the command line and write its figures into a file of JSON; gives its exit code."""
    result, *command = sys.argv[1:]
    started = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _child, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - started
    unit = 1 if sys.platform == "darwin" else 1024
    figures = {
        "seconds": seconds,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * unit,
    }
    with open(result, "w", encoding="utf-8") as stream:  # noqa: PTH123 - pathlib would make this process larger
        json.dump(figures, stream)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
