"""How a command says on stderr what is wrong: one line, whatever it is about."""

from __future__ import annotations

import sys
from contextlib import suppress

from city_index.landing.door import shown

# A message repeats what it was given, which may be a hundred thousand characters.
_LONGEST_MESSAGE = 3000


def complain(message: str) -> None:
    """Say what is wrong in one line, cut off and with nothing that a terminal acts on."""
    line = shown(" ".join(message.split()))
    if len(line) > _LONGEST_MESSAGE:
        # What to do stands at the end.
        line = f"{line[: _LONGEST_MESSAGE // 2]} ... {line[-_LONGEST_MESSAGE // 2 :]}"
    with suppress(OSError):  # nobody listens, and the exit code says it too
        print(f"city-index: {line}", file=sys.stderr)
