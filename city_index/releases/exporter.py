"""The exports of a release, written by a helper while the report is drawn: both take long, and neither needs the other.

What belongs here: starting the helper, and waiting for it. What is written stands in ``exports``.

``python -m city_index.releases.exporter`` takes one object of JSON on its standard input; where it fails, the last line
that it prints says why.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from city_index.errors import CityIndexError, in_one_line
from city_index.helper_process import helper_command, helper_environment
from city_index.releases.manifest import Manifest
from city_index.settings import PROJECT_DIRECTORY, Settings

_MODULE = "city_index.releases.exporter"


class Exporter:
    """Writes the exports of one release at a time, in a helper. A context manager.

    Args:
        settings: of the home that the helper belongs to.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Exporter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process id of the helper; none while there is none."""
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether exports were begun that nobody has waited for."""
        return self._process is not None

    def start(self, folder: Path, manifest: Manifest) -> None:
        """Begin to write the exports of a release; see ``write_exports``."""
        self.close()
        self._process = subprocess.Popen(
            helper_command(self._settings.helpers_lock, self._settings.temporary, _MODULE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=PROJECT_DIRECTORY,
            env=helper_environment(os.environ),
            encoding="utf-8",
            errors="replace",
        )
        request = {
            "folder": str(folder),
            "manifest": vars(manifest),
            "workbook_rows": self._settings.workbook_rows,
        }
        with suppress(OSError):  # a helper that is gone by now is seen when it is waited for
            self._process.stdin.write(json.dumps(request))
            self._process.stdin.close()

    def wait(self) -> None:
        """Wait until the exports that were begun are written.

        Raises:
            CityIndexError: they could not be written.
        """
        try:
            said = self._process.stdout.read()
            exit_code = self._process.wait()
        finally:
            self.close()
        if exit_code:
            last_words = said.strip().splitlines()[-1:] if exit_code > 0 else []
            why = last_words[0] if last_words else f"their process ended with exit code {exit_code}"
            raise CityIndexError(f"the exports could not be written: {why}; run again")

    def close(self) -> None:
        """End a helper that is still writing."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                stream.close()
        self._process = None


def main() -> int:
    """Write what is asked for; gives the exit code."""
    from city_index.releases.exports import write_exports

    request = json.load(sys.stdin)
    try:
        write_exports(Path(request["folder"]), Manifest(**request["manifest"]), request["workbook_rows"])
    except Exception as error:  # whatever it is, it is told where it is waited for
        traceback.print_exc()
        print(in_one_line(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
