"""dbt as a module of its own, for ``helper_process``: ``python -m city_index.dbt_process ARGUMENT...``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run dbt with the arguments of the command line; gives its exit code."""
    from dbt.cli.main import cli

    try:
        cli.main(args=sys.argv[1:], prog_name="dbt", standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
