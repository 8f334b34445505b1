"""dbt as a module of its own, for ``helper_process``.

``python -m city_index.dbt_process ARGUMENT...`` runs dbt with these arguments; with ``--wait`` alone it loads dbt, and
takes arguments and environment later, from one line of JSON on its standard input.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

WAIT = "--wait"

_WORLDS = ("city_index.worlds.editions", "city_index.worlds.reuse")


def main() -> int:
    """Run dbt; gives its exit code."""
    from dbt.cli.main import cli

    if sys.argv[1:] == [WAIT]:
        _load()
        line = sys.stdin.readline()
        if not line:  # nobody needs dbt
            return 0
        command = json.loads(line)
        # Nothing of the environment until now may stand beside what the command gives.
        os.environ.clear()
        os.environ.update(command["environment"])
        sys.argv[1:] = command["arguments"]
    try:
        cli.main(args=sys.argv[1:], prog_name="dbt", standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _load() -> None:
    """Load what a build will need: the adapter, and what the Python models compute with."""
    for module in ("dbt.adapters.duckdb", "pandas", "scipy.optimize", *_WORLDS):
        importlib.import_module(module)


if __name__ == "__main__":
    sys.exit(main())
