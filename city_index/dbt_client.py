"""dbt as a caller sees it: a helper that loads dbt early and is told later what to do.

What belongs here: starting, telling and ending the helper. Nothing here imports dbt.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from city_index.builds import dbt_arguments
from city_index.dbt_process import WAIT
from city_index.helper_process import helper_environment
from city_index.settings import Settings


class DbtClient:
    """Runs dbt once; where it was started before, without the seconds that loading dbt takes. A context manager.

    Args:
        settings: of the home that dbt is a helper of.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> DbtClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the helper, which loads dbt and waits; nothing where it has started already."""
        if self._process is None:
            self._process = subprocess.Popen(
                dbt_arguments(self._settings, [WAIT]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._settings.project_directory,
                env=helper_environment(os.environ),
            )

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Let dbt go.

        Args:
            arguments: dbt's.
            environment: all of its environment.

        Returns:
            The process, whose output is what dbt prints; the caller waits for it.
        """
        command = json.dumps({"arguments": list(arguments), "environment": dict(environment)}) + "\n"
        # A helper that is gone by now has done nothing; another one takes its place.
        for _attempt in range(2):
            self.start()
            process, self._process = self._process, None
            try:
                process.stdin.write(command.encode())
                process.stdin.close()
            except OSError:
                _end(process)
                continue
            return process
        raise ChildProcessError(f"dbt ended with exit code {process.returncode} before it was told what to do")

    def close(self) -> None:
        """End a helper that was never told what to do."""
        if self._process is not None:
            _end(self._process)
            self._process = None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):
            stream.close()
