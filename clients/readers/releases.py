"""A release, and another one put into its place as publishing does.

What belongs here: what several readers need of the files. It uses nothing but DuckDB.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import duckdb

NEXT = "the next release"


def folder() -> Path:
    """The folder ``published/`` that the script was given."""
    return Path(sys.argv[1])


def row_counts(published: Path) -> dict[str, int]:
    """The rows of each table, as the release's manifest has them."""
    return json.loads((published / "manifest.json").read_text(encoding="utf-8"))["tables"]


def a_copy(published: Path, scratch: Path) -> Path:
    """A copy of the database whose place another release may take."""
    return Path(shutil.copyfile(published / "city_index.duckdb", scratch / "city_index.duckdb"))


def publish_next(database: Path) -> None:
    """Put another release into the place of a copy, by one rename."""
    following = database.with_name("next.duckdb")
    shutil.copyfile(database, following)
    with duckdb.connect(str(following)) as connection:
        connection.execute("update meta_release set release_id = ?", [NEXT])
    os.replace(following, database)
