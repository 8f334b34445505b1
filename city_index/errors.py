"""The errors that end a command, each with its exit code.

What belongs here: conditions a user can act on. A message is one line that says what, where and what to do. Anything
else that goes wrong is a defect and keeps its traceback for ``--debug``.
"""

from __future__ import annotations


class CityIndexError(Exception):
    """A condition that ends the command. ``exit_code`` is what the process returns."""

    exit_code = 1


class UsageError(CityIndexError):
    """The command or a setting was used wrongly."""

    exit_code = 2


class NothingPublishable(CityIndexError):
    """The input holds nothing that could be published."""

    exit_code = 3


class GateRefused(CityIndexError):
    """A quality gate refused the input or the build; the published data stayed as they were."""

    exit_code = 4


class RebuildRunning(CityIndexError):
    """Another process holds the rebuild lock."""

    exit_code = 5


def in_one_line(error: BaseException, limit: int | None = None) -> str:
    """What an error says, on one line and cut off at a limit; its type where it says nothing."""
    return (" ".join(str(error).split()) or type(error).__name__)[:limit]
