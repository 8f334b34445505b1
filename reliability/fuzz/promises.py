"""What the console script promises whatever it is given: an exit code of the list, one line, no traceback."""

from __future__ import annotations

import unicodedata
from typing import Any

EXIT_CODES = range(6)

# An answer takes a second or two; what takes this long hangs.
SECONDS = 60


def broken(said: dict[str, Any], lines_allowed: int = 1) -> str | None:
    """Which promise a command broke, in few words; None where it kept them all.

    Args:
        said: its exit code and streams, as ``worker.command`` gives them.
        lines_allowed: how many lines it may say on stderr where it fails: one, and one more for each of several files.
    """
    exit_code, out, err = said["exit_code"], said["out"], said["err"]
    if said["raised"] is not None:
        return "an exception got out"
    if exit_code not in EXIT_CODES:
        return f"exit code {exit_code!r}"
    if "Traceback (most recent call last)" in out + err:
        return "a traceback"
    if any(unicodedata.category(character) == "Cc" and character not in "\n\t" for character in out + err):
        return "a control character was printed"
    if exit_code:
        lines = err.splitlines()
        is_help = exit_code == 2 and not lines and out.startswith("Usage:")
        if not is_help and not 1 <= len(lines) <= lines_allowed:
            return f"{len(lines)} lines on stderr"
        if not all(line.startswith("city-index: ") for line in lines):
            return "a line on stderr that is not the command's"
        if any(line.startswith("city-index: unexpected") for line in lines):
            return "an error that nobody foresaw"
    return None
