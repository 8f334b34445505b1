"""How a script in another environment says what it found.

What belongs here: one line of JSON for each claim; ``clients.findings`` reads it.
"""

from __future__ import annotations

import json


def say(claim: str, holds: bool, seen: object = "") -> None:
    """Say whether a claim holds, and what was seen."""
    print(json.dumps({"claim": claim, "holds": bool(holds), "seen": str(seen)}, ensure_ascii=False), flush=True)
