"""The rebuild lock: at most one process rebuilds a given home at a time; and locks of smaller things.

A lock is the kernel's (flock) and ends with the process that holds it, however that process ends; so it is never
stale and nothing has to clean it up. What the file says is only for people.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from city_index.errors import RebuildRunning

# Who asks for the lock's holder has the lock for a moment; a rebuild that begins just then waits for as long as that.
_LOOK_SECONDS = 0.5
_POLL_SECONDS = 0.02


def _read_holder(lock_file: Path) -> str:
    try:
        holder = json.loads(lock_file.read_text(encoding="utf-8"))
        return f"{holder['what']}, process {holder['pid']} on {holder['host']}, since {holder['since_utc']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that did not write its name"


@contextmanager
def file_lock(lock_file: Path) -> Iterator[None]:
    """Hold the lock of a file for the length of the ``with`` block; waits until it is free."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextmanager
def rebuild_lock(lock_file: Path, what: str) -> Iterator[None]:
    """Hold the rebuild lock for the length of the ``with`` block.

    Args:
        lock_file: the file to lock; made when missing.
        what: the name under which the holder is shown to others.

    Raises:
        RebuildRunning: another process holds it; raised within a second, without waiting for its end.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not _lock_unless_held(descriptor):
            raise RebuildRunning(
                f"another rebuild is running: {_read_holder(lock_file)}; wait for it or end that process"
            )
        holder = {
            "what": what,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _lock_unless_held(descriptor: int) -> bool:
    """Take the lock of an open file for itself; whether that was possible, and nobody held it but to look."""
    deadline = time.monotonic() + _LOOK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
        time.sleep(_POLL_SECONDS)


def lock_holder(lock_file: Path) -> str | None:
    """Who holds the rebuild lock now, in words; None where nobody does."""
    try:
        descriptor = os.open(lock_file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except PermissionError:
        return f"unknown: this user may not read {lock_file}"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(lock_file)
    else:
        return None
    finally:
        os.close(descriptor)
