"""The Superset dashboard as one file to import, packed from its sources.

What belongs here: packing. The dashboard itself is in docs/bi/superset/, as Superset exports it. Run as
``python -m clients.dashboard`` after a change there; a test holds the file and its sources equal.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from city_index.settings import PROJECT_DIRECTORY

SOURCES = PROJECT_DIRECTORY / "docs" / "bi" / "superset"
BUNDLE = PROJECT_DIRECTORY / "docs" / "bi" / "superset_dashboard.zip"
# Superset wants all files in one folder, whatever its name.
_FOLDER = "superset_dashboard"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def pack(sources: Path = SOURCES) -> bytes:
    """The sources as a zip file, of the same bytes wherever it is packed: in order, stored, without times."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as bundle:
        for path in sorted(sources.rglob("*.yaml"), key=lambda path: path.relative_to(sources).as_posix()):
            entry = zipfile.ZipInfo(f"{_FOLDER}/{path.relative_to(sources).as_posix()}", date_time=_LONG_AGO)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            bundle.writestr(entry, path.read_bytes())
    return packed.getvalue()


def main() -> None:
    """Write the file beside its sources."""
    BUNDLE.write_bytes(pack())
    print(BUNDLE.relative_to(PROJECT_DIRECTORY))


if __name__ == "__main__":
    main()
