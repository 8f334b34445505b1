"""The gates as a caller sees them: a handle on the worker process.

What belongs here: starting, asking and ending the worker. Nothing here imports Great Expectations.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from threading import Thread

from city_index.checks import SKIPPED, Check
from city_index.errors import CityIndexError
from city_index.gates.suites import LANDED, MARTS, RAW
from city_index.helper_process import helper_command, helper_environment
from city_index.landing.raw_store import PreparedBatch
from city_index.settings import PROJECT_DIRECTORY, Settings

_WORKER = "city_index.gates.worker"


class GateClient:
    """Starts a gate worker at once and asks it later; use as a context manager.

    Args:
        settings: of the home that the worker is a helper of; without them it is a process like any other.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", _WORKER]
            if settings is None
            else helper_command(settings.helpers_lock, settings.temporary, _WORKER),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=PROJECT_DIRECTORY,
            env=helper_environment(os.environ),
            encoding="utf-8",
        )
        # Whatever libraries print is kept short and shown only if the worker dies.
        self._last_words: deque[str] = deque(maxlen=20)
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> GateClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _listen(self) -> None:
        for line in self._process.stderr:
            self._last_words.append(line.rstrip())

    def _ask(self, request: dict) -> list[Check]:
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            self._process.wait()
            self._listener.join(timeout=1)
            last_words = self._last_words[-1] if self._last_words else "it said nothing"
            raise CityIndexError(
                f"the gate worker ended with exit code {self._process.returncode}: {last_words}; run again"
            )
        answer = json.loads(line)
        if "error" in answer:
            raise CityIndexError(f"the gate worker failed: {answer['error']}")
        return [Check(**item) for item in answer["checks"]]

    def check_landed(self, batches: list[PreparedBatch]) -> list[Check]:
        """Hold written batches against the contracts of their kinds; kinds without a batch give no result."""
        request = [
            {
                "batch_id": batch.record.batch_id,
                "kind": batch.record.kind,
                "file": str(batch.accepted),
                "received_count": batch.record.received_count,
                "quarantined_count": batch.record.quarantined_count,
            }
            for batch in batches
        ]
        checks = self._ask({"gate": LANDED, "batches": request})
        return [check for check in checks if check.status != SKIPPED]

    def check_raw(self, seeds: Path) -> list[Check]:
        """Run the raw gate on a folder of input files."""
        return self._ask({"gate": RAW, "seeds": str(seeds)})

    def check_marts(self, database: Path, last_release: Path | None, accepts_removals: bool = False) -> list[Check]:
        """Run the marts gate on a build, against the last release where there is one."""
        return self._ask(
            {
                "gate": MARTS,
                "database": str(database),
                "last_release": str(last_release) if last_release else None,
                "accepts_removals": accepts_removals,
            }
        )

    def write_data_docs(self, folder: Path) -> None:
        """Write the data docs of the gates run so far."""
        self._ask({"data_docs": str(folder)})

    def close(self) -> None:
        """End the worker. It holds nothing that an orderly end would save, and one takes it a second."""
        self._process.kill()
        self._process.wait()
        with suppress(OSError):  # what the worker did not take any more
            self._process.stdin.close()
        self._listener.join(timeout=1)
        self._process.stdout.close()
        self._process.stderr.close()
