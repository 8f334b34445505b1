"""The hand-written script, ``script.sql``: ``python -m benchmarks.scoring.duckdb_script RAW DATABASE [MEMORY_MIB]``."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from city_index.database import quoted

SCRIPT = Path(__file__).with_name("script.sql")


def run_script(raw: Path, database: Path, memory_mib: int | None = None) -> None:
    """Make the tables in a new database, from the files in a folder ``raw/``."""
    text = SCRIPT.read_text(encoding="utf-8")
    for kind in ("cities", "frameworks", "observations"):
        text = text.replace(f"'{{{kind}}}'", quoted(raw / kind / "*.parquet"))
    config = {"threads": 2, "preserve_insertion_order": False, "storage_compatibility_version": "latest"}
    if memory_mib:
        config["memory_limit"] = f"{memory_mib}MiB"
    with duckdb.connect(str(database), config=config) as connection:
        connection.execute(text)


def main() -> None:
    """Run the script with the folder, the database and the memory of the command line."""
    raw, database, *memory = sys.argv[1:]
    run_script(Path(raw), Path(database), int(memory[0]) if memory else None)


if __name__ == "__main__":
    main()
