"""Counting the steps in which a process changes the file system, and ending it with SIGKILL at one of them.

What belongs here: which calls are steps, and the countdown. Just before and just after a call are two steps, so a
process that is killed at each of its steps in turn is killed at every place where something can be half done. What
DuckDB writes by itself is no step: kills at random times are for that.
"""

from __future__ import annotations

import builtins
import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Calls of `os` that change what stands on disk; pathlib, shutil and tempfile end in these.
_CALLS = ("replace", "rename", "link", "symlink", "unlink", "remove", "mkdir", "rmdir", "fsync", "truncate", "sendfile")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Steps:
    """The steps of this process from now on, within one home.

    Attributes:
        taken: how many there have been.
    """

    def __init__(self, home: Path, kill_at: int) -> None:
        """Count the steps, and end the process at one of them; at none where it is 0."""
        self.taken = 0
        self._home = str(home)
        self._kill_at = kill_at
        self._is_counting = True
        for name in _CALLS:
            setattr(os, name, self._watched(getattr(os, name), lambda arguments: True))
        os.open = self._watched(os.open, lambda arguments: len(arguments) > 1 and bool(arguments[1] & _WRITES))
        opened = self._watched(io.open, lambda arguments: len(arguments) > 1 and set("wax+") & set(str(arguments[1])))
        io.open = builtins.open = opened

    def _watched(self, original: Callable[..., Any], is_step: Callable[[tuple], Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            # Names without a folder are given relative to a folder that is being removed.
            path = os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes | os.PathLike) else self._home
            if not is_step(arguments) or (path.startswith(os.sep) and not path.startswith(self._home)):
                return original(*arguments, **options)
            self._step()
            result = original(*arguments, **options)
            self._step()
            return result

        return call

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """Let what is done in the ``with`` block be no steps: it is a part of the trial and not of the product."""
        self._is_counting = False
        try:
            yield
        finally:
            self._is_counting = True

    def _step(self) -> None:
        if not self._is_counting:
            return
        self.taken += 1
        if self.taken == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
