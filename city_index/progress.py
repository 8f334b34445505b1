"""Progress of a run: a live bar on a terminal, plain lines anywhere else, or lines of JSON on request.

The work reports through ``Reporter``; it never prints.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import Protocol

from city_index.settings import JSON


class Reporter(Protocol):
    """What the work calls to say how far it is."""

    def stage(self, name: str, total: int | None = None) -> None:
        """A stage begins; ``total`` is its number of steps, where known."""

    def advance(self, steps: int = 1) -> None:
        """So many more steps of the stage are done."""

    def finish(self, detail: str = "") -> None:
        """The stage is done; ``detail`` says with what result."""

    def event(self, line: str) -> None:
        """Something happened, as a line of JSON for machines."""

    def close(self) -> None:
        """Nothing more will be reported, whether or not the stage finished."""


class SilentReporter:
    """Reports nothing."""

    def stage(self, name: str, total: int | None = None) -> None:
        """See Reporter."""

    def advance(self, steps: int = 1) -> None:
        """See Reporter."""

    def finish(self, detail: str = "") -> None:
        """See Reporter."""

    def event(self, line: str) -> None:
        """See Reporter."""

    def close(self) -> None:
        """See Reporter."""


class _Output:
    """Lines to standard output. Where that breaks, the rest goes nowhere: no work fails because nobody listens."""

    def __init__(self) -> None:
        # The stream of today: the run redirects sys.stdout while it works.
        self._stream = sys.stdout

    def write(self, line: str) -> None:
        """Write one line."""
        try:
            print(line, file=self._stream, flush=True)
        except OSError:
            # What could not be written is still in the stream's buffer, and would break the end of the process.
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)


class LineReporter:
    """One line for each finished stage, for logs and schedulers."""

    def __init__(self) -> None:
        self._output = _Output()
        self._name = ""
        self._started = 0.0

    def stage(self, name: str, total: int | None = None) -> None:
        """See Reporter."""
        self._name = name
        self._started = time.monotonic()

    def advance(self, steps: int = 1) -> None:
        """See Reporter."""

    def finish(self, detail: str = "") -> None:
        """See Reporter."""
        self._output.write(f"{self._name}: {detail} ({time.monotonic() - self._started:.1f} s)")

    def event(self, line: str) -> None:
        """See Reporter."""

    def close(self) -> None:
        """See Reporter."""


class JsonReporter(SilentReporter):
    """The events of the run as lines of JSON, for programs that collect logs from standard output."""

    def __init__(self) -> None:
        self._output = _Output()

    def event(self, line: str) -> None:
        """See Reporter."""
        self._output.write(line)


class TerminalReporter:
    """A live bar for the running stage, and a line for each finished one."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._console = Console(file=sys.stdout)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = None
        self._name = ""
        self._started = 0.0

    def stage(self, name: str, total: int | None = None) -> None:
        """See Reporter."""
        self._name = name
        self._started = time.monotonic()
        self._progress.start()
        self._task = self._progress.add_task(name, total=total)

    def advance(self, steps: int = 1) -> None:
        """See Reporter."""
        if self._task is not None:
            self._progress.update(self._task, advance=steps)

    def finish(self, detail: str = "") -> None:
        """See Reporter."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
        self._progress.stop()
        elapsed = time.monotonic() - self._started
        self._console.print(f"[green]✓[/green] {self._name}: {detail} [dim]({elapsed:.1f} s)[/dim]", highlight=False)

    def event(self, line: str) -> None:
        """See Reporter."""

    def close(self) -> None:
        """See Reporter."""
        self._progress.stop()


def reporter_for_stdout(log_format: str) -> Reporter:
    """The reporter for a log format of the settings; for people the one that fits where standard output goes."""
    if log_format == JSON:
        return JsonReporter()
    return TerminalReporter() if sys.stdout.isatty() else LineReporter()
