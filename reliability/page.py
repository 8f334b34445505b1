"""docs/reliability.md: each proof writes the figures of its own run between its two marks, and nothing else.

What belongs here: finding the marks and laying out a table. What does not: any figure, or what it means.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from city_index.errors import CityIndexError
from city_index.hashing import code_version
from city_index.settings import PROJECT_DIRECTORY, Settings

PAGE = PROJECT_DIRECTORY / "docs" / "reliability.md"


def write_section(name: str, text: str, page: Path = PAGE) -> None:
    """Put a text between the marks ``<!-- name -->`` and ``<!-- end of name -->`` of the page.

    Raises:
        CityIndexError: the page has no such marks; it is left as it was.
    """
    opening, closing = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, found_opening, rest = page.read_text(encoding="utf-8").partition(opening)
    _old, found_closing, after = rest.partition(closing)
    if not found_opening or not found_closing:
        raise CityIndexError(f"{page} has no section between {opening.strip()} and {closing.strip()}; add them")
    temporary = page.with_name(f".{page.name}.tmp")
    temporary.write_text(f"{before}{opening}{text.strip()}\n{closing}{after}", encoding="utf-8")
    os.replace(temporary, page)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; whole numbers with thousands separators, right-aligned where all of a column are numbers."""
    rows = [list(row) for row in rows]
    numeric = [
        bool(rows) and all(isinstance(row[column], int | float) for row in rows) for column in range(len(header))
    ]
    lines = [
        "| " + " | ".join(header) + " |",
        "|" + "|".join("---:" if is_number else "---" for is_number in numeric) + "|",
    ]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def provenance(command: str) -> str:
    """One line that says which command made the figures, when, of which code, and on what machine."""
    version = code_version(Settings.from_environment({}))
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, code {version}, {machine}."
