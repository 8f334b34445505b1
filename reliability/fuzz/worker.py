"""A child process that does one request after another, and can be killed when one hangs.

What belongs here: the child, and the parent's end of it. A request and its answer are one line of JSON each. Loading
the libraries takes seconds, so that a child lives on; one that hangs or dies is counted and replaced.

The child is ``python -m reliability.fuzz.worker``.
"""

from __future__ import annotations

import io
import json
import os
import resource
import selectors
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from city_index.settings import PROJECT_DIRECTORY

# A child that has not come up by then never will: importing takes seconds, on a busy machine tens of them.
_START_SECONDS = 120

# A child that waits for something takes no processor time; it is given so many times as long as it may work.
_PATIENCE = 10
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Answer:
    """What became of a request.

    Attributes:
        said: what the child answered; none where it did not.
        problem: why it did not, in few words; none where it did.
        seconds: how long it took.
        memory_bytes: the most memory that the child has ever held.
    """

    said: dict[str, Any] | None
    problem: str | None
    seconds: float
    memory_bytes: int = 0


class Worker:
    """The parent's end of a child."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    @property
    def pid(self) -> int | None:
        """The process id of the child; none while there is no child."""
        return self._child.pid if self._child else None

    def end(self) -> None:
        """End the child; the next request starts a new one."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child.stdin.close()
            self._child.stdout.close()
            self._child = None

    def ask(self, work: str, seconds: float, **request: Any) -> Answer:
        """Have a piece of work done, in so many seconds of processor time at most, however busy the machine is."""
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "reliability.fuzz.worker"],
                cwd=PROJECT_DIRECTORY,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(PROJECT_DIRECTORY)},
            )
            if self._line(_START_SECONDS) is None:
                self.end()
                return Answer(None, "the child did not start", 0.0)
        started = time.monotonic()
        self._child.stdin.write(json.dumps({"work": work, **request}).encode() + b"\n")
        self._child.stdin.flush()
        line = self._line(seconds)
        took = time.monotonic() - started
        if line is None:
            died = self._child.poll()
            self.end()
            why = f"it hung for more than {seconds:.0f} s of processor time" if died is None else f"it died with {died}"
            return Answer(None, why, took)
        answer = json.loads(line)
        return Answer(answer["said"], answer["problem"], took, answer["memory_bytes"])

    def _line(self, seconds: float) -> bytes | None:
        """The next line of the child; None where none comes before it has worked, or waited, for too long."""
        stream = self._child.stdout
        ends, most, line = time.monotonic() + seconds * _PATIENCE, _processor_seconds(self._child.pid) + seconds, b""
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(min(_POLL_SECONDS, seconds)):
                    if time.monotonic() > ends or _processor_seconds(self._child.pid) > most:
                        return None
                    continue
                part = os.read(stream.fileno(), 1 << 16)
                if not part:
                    self._child.wait(10)
                    return None
                line += part
        return line


def _processor_seconds(pid: int) -> float:
    """The processor time of a process, in seconds; where the system does not say it, the time that passes."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return time.monotonic()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def land(home: str) -> dict[str, Any]:
    """Land what lies in the landing folder of a home, as the nightly job does but for Great Expectations."""
    from city_index.landing.landing import Landing
    from city_index.progress import SilentReporter
    from city_index.settings import Settings

    settings = Settings(
        project_directory=PROJECT_DIRECTORY,
        home=Path(home),
        landing_settle_seconds=0,
        landing_memory_bytes=512 << 20,
        landing_max_bytes=64 << 20,
    )
    outcome = Landing(settings, SilentReporter(), lambda batches: []).land()
    return {
        "batches": [vars(batch.record) for batch in outcome.batches],
        "refused": [vars(refused) for refused in outcome.refused],
        "repeated": outcome.repeated,
        "kept": outcome.kept,
        "sentences": outcome.sentences(),
    }


def command(arguments: list[str], environ: dict[str, str], folder: str) -> dict[str, Any]:
    """Run the console script in this process, as a shell would run it."""
    from city_index.cli import main

    out, err = (
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=errors, write_through=True)
        for errors in ("strict", "backslashreplace")
    )
    before = sys.argv, sys.stdout, sys.stderr, dict(os.environ), Path.cwd()
    exit_code: Any = 0
    raised = None
    try:
        sys.argv, sys.stdout, sys.stderr = ["city-index", *arguments], out, err
        os.environ.clear()
        os.environ.update(environ)
        os.chdir(folder)
        main()
    except SystemExit as end:
        exit_code = end.code
    except BaseException:
        raised = traceback.format_exc()
    finally:
        sys.argv, sys.stdout, sys.stderr = before[:3]
        os.environ.clear()
        os.environ.update(before[3])
        os.chdir(before[4])
    streams = [stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err)]
    return {"exit_code": exit_code, "raised": raised, "out": streams[0][-2000:], "err": streams[1][-9000:]}


_WORK: dict[str, Callable[..., dict[str, Any]]] = {"land": land, "command": command}


def _serve() -> None:
    """Answer requests until there are no more; what the work prints goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    requests = os.fdopen(os.dup(0), "rb")
    os.dup2(nowhere, 0)
    answers.write(b"ready\n")
    answers.flush()
    for line in requests:
        request = json.loads(line)
        said, problem = None, None
        try:
            said = _WORK[request.pop("work")](**request)
        except BaseException:
            problem = traceback.format_exc()
        # Linux counts kilobytes.
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        answer = {"said": said, "problem": problem, "memory_bytes": memory}
        answers.write(json.dumps(answer, default=str).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
