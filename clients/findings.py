"""What was found out about a client: claims, each proved, refuted or skipped, and what was seen.

What belongs here: collecting and printing. Claims are made where they are tried.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

# How long a client may take.
SECONDS = 1800

PROVED, REFUTED, SKIPPED = "proved", "REFUTED", "skipped"


@dataclass
class Findings:
    """The claims about clients, in the order in which they were tried."""

    _rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def claim(self, client: str, claim: str, holds: bool, seen: object = "") -> None:
        """Record a claim with what was seen, and print it."""
        self._record(client, PROVED if holds else REFUTED, claim, str(seen))

    def skip(self, client: str, claim: str, why: str) -> None:
        """Record that a claim was not tried, and why."""
        self._record(client, SKIPPED, claim, why)

    def take(self, client: str, printed: str) -> None:
        """Record what a script in another environment printed with ``clients.readers.saying.say``."""
        for line in printed.splitlines():
            if line.startswith("{"):
                said = json.loads(line)
                self.claim(client, said["claim"], said["holds"], said["seen"])

    def run(self, client: str, command: list, directory: Path) -> None:
        """Run a script in another environment and take what it says; that it runs to its end is a claim, too."""
        variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        run = subprocess.run(
            command, cwd=directory, env=variables, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        self.take(client, run.stdout)
        if run.returncode != 0:
            last = (run.stderr.strip().splitlines() or ["it says nothing"])[-1]
            self.claim(client, "runs to its end", False, last)

    @property
    def exit_code(self) -> int:
        """0 where no claim was refuted and some were proved."""
        standings = [standing for _client, standing, _claim, _seen in self._rows]
        return int(REFUTED in standings or PROVED not in standings)

    def summary(self) -> str:
        """How many claims were proved, refuted and skipped."""
        standings = [standing for _client, standing, _claim, _seen in self._rows]
        counts = (f"{standings.count(standing)} {standing.lower()}" for standing in (PROVED, REFUTED, SKIPPED))
        return ", ".join(counts)

    def _record(self, client: str, standing: str, claim: str, seen: str) -> None:
        self._rows.append((client, standing, claim, seen))
        print(f"{standing:8} {client}: {claim}" + (f" ({seen})" if seen else ""), flush=True)
