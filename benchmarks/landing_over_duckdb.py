"""The wall time of landing an observation file over that of DuckDB reading it into a table with an explicit schema.

Run as ``python -m benchmarks.landing_over_duckdb [ROWS] [PAIRS]``. Landing is everything: hashing, counting, reading,
judging every row, finding repeated keys, writing raw/, Great Expectations, and the commit. It is held against two
readings by DuckDB: into a table on disk, which like raw/ outlives the process, and into one in memory. The readings and
landings alternate; each figure is the median of the ratios of the pairs.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from city_index.contracts import contracts
from city_index.database import file_pattern, quoted
from city_index.gates.client import GateClient
from city_index.landing.landing import Landing
from city_index.progress import SilentReporter
from city_index.settings import PROJECT_DIRECTORY, Settings

TARGET = 3.0
CITIES, LEAVES = 150, 50


def write_files(settings: Settings, rows: int) -> Path:
    """Land the cities and frameworks that the observations need, and write these; gives their file."""
    editions = -(-rows // (CITIES * LEAVES))
    for kind in ("cities", "frameworks", "observations"):
        (settings.landing / kind).mkdir(parents=True)
    (settings.landing / "cities" / "cities.csv").write_text(
        "city_code,name_zh,name_en\n" + "".join(f"c{i},城,City\n" for i in range(CITIES)), encoding="utf-8"
    )
    nodes = [("total", ""), ("p", "total"), ("s", "p"), *((f"leaf_{i}", "s") for i in range(LEAVES))]
    with (settings.landing / "frameworks" / "frameworks.csv").open("w", encoding="utf-8") as stream:
        stream.write("index_code,edition,indicator_code,parent_code,name_zh,name_en,weight\n")
        for edition in range(editions):
            stream.writelines(f"bench,{edition},{code},{parent},名,Name,1\n" for code, parent in nodes)
    target = settings.home / "observations.csv"
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select 'bench' as index_code, cast(i // {CITIES * LEAVES} as varchar) as edition, "
            f"'c' || (i // {LEAVES}) % {CITIES} as city_code, 'leaf_' || i % {LEAVES} as indicator_code, "
            "round(random() * 100, 2) as value, date '2021-03-05' as observed_on, 'survey of the year' as source, "
            f"'observed' as provenance from range({rows}) as t(i)) to {quoted(target)} (header)"
        )
    return target


def read_by_duckdb(file: Path, database: Path | None) -> float:
    """Seconds that DuckDB takes to read the file into a table, on disk where a database is given."""
    types = {"double": "DOUBLE", "date": "DATE", "string": "VARCHAR"}
    columns = ", ".join(
        f"{quoted(column.name)}: '{types[column.data_type]}'" for column in contracts()["observations"].columns
    )
    started = time.perf_counter()
    with duckdb.connect(str(database) if database else ":memory:") as connection:
        connection.execute(
            f"create table observations as select * from read_csv({file_pattern(file)}, columns={{{columns}}}, "
            "header=true, delim=',', quote='\"', escape='\"', auto_detect=false, strict_mode=true)"
        )
    return time.perf_counter() - started


def measure(rows: int, pairs: int) -> dict:
    """Time readings and landings in turn; gives their ratios."""
    with tempfile.TemporaryDirectory() as folder, GateClient() as gates:
        settings = Settings(
            project_directory=PROJECT_DIRECTORY,
            home=Path(folder) / "home",
            landing_settle_seconds=0,
            landing_max_bytes=1 << 40,
        )
        file = write_files(settings, rows)
        Landing(settings, SilentReporter(), gates.check_landed).land()
        known = Path(folder) / "known"
        shutil.copytree(settings.home / "raw", known)
        on_disk, in_memory = [], []
        for _pair in range(pairs):
            database = Path(folder) / "baseline.duckdb"
            disk = read_by_duckdb(file, database)
            database.unlink()
            memory = read_by_duckdb(file, None)
            (settings.landing / "observations" / "observations.csv").hardlink_to(file)
            started = time.perf_counter()
            outcome = Landing(settings, SilentReporter(), gates.check_landed).land()
            landing = time.perf_counter() - started
            assert [batch.record.accepted_count for batch in outcome.batches] == [rows], outcome.sentences()
            on_disk.append(landing / disk)
            in_memory.append(landing / memory)
            for state in ("raw", "quarantine", "archive"):
                shutil.rmtree(settings.home / state, ignore_errors=True)
            shutil.copytree(known, settings.home / "raw")
    return {
        "rows": rows,
        "ratio_to_a_table_on_disk": round(statistics.median(on_disk), 2),
        "ratio_to_a_table_in_memory": round(statistics.median(in_memory), 2),
        "ratios_on_disk": [round(ratio, 2) for ratio in on_disk],
        "ratios_in_memory": [round(ratio, 2) for ratio in in_memory],
        "target": TARGET,
    }


def main() -> None:
    """Print the ratios as JSON."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    print(json.dumps(measure(rows, pairs), indent=1))


if __name__ == "__main__":
    main()
