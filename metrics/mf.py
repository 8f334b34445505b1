"""MetricFlow's command ``mf`` on the copy of the published database that `make metrics` made.

Run as ``python -m metrics.mf query --saved-query totals_by_tier``, with whatever ``mf`` takes.
"""

from __future__ import annotations

import os
import sys

from city_index.errors import CityIndexError
from city_index.settings import Settings
from metrics.workspace import Workspace


class _NoUpdates:
    """In place of what asks a package index for a newer version at each call: nothing here phones home."""

    def check(self, *_arguments: object) -> None:
        """There is no newer version."""


def main() -> int:
    """Hand the command line to MetricFlow; gives its exit code."""
    try:
        workspace = Workspace(Settings.from_environment())
        if not (workspace.project / "target" / "semantic_manifest.json").is_file():
            raise CityIndexError(f"{workspace.folder} holds no copy of the published database; run `make metrics`")
    except CityIndexError as error:
        print(f"metrics: {error}", file=sys.stderr)
        return error.exit_code
    os.environ.update(workspace.environment())
    from dbt_metricflow.cli import main as command

    command.UpdateChecker = _NoUpdates
    return command.cli(prog_name="mf", standalone_mode=True)


if __name__ == "__main__":
    sys.exit(main())
