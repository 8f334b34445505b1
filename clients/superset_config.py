"""The settings of the Superset that `make superset` starts, and a pattern for a real one's.

What belongs here: Superset's own settings. ``docs/bi/superset.md`` says which of them matter to a reader of releases.
"""

from __future__ import annotations

import os
from pathlib import Path

_STATE = Path(os.environ["SUPERSET_STATE"])

# SECRET_KEY comes from the variable SUPERSET_SECRET_KEY, as Superset reads it by itself.
SQLALCHEMY_DATABASE_URI = f"sqlite:///{_STATE / 'superset.db'}"

# Superset caches nothing unless it is told to. This one does, for a day, so that what the connection's own timeout
# does about it can be seen.
DATA_CACHE_CONFIG = {
    "CACHE_TYPE": "FileSystemCache",
    "CACHE_DIR": str(_STATE / "cache"),
    "CACHE_DEFAULT_TIMEOUT": 24 * 60 * 60,
}

# It is reached over plain HTTP on this machine alone, so it must not insist on HTTPS.
TALISMAN_ENABLED = False
