"""The wall time of landing an observation file over that of DuckDB reading it into a table with an explicit schema.

Landing is everything: hashing, counting, reading,
judging every row, finding repeated keys, writing raw/, Great Expectations, and the commit. It is held against two
readings by DuckDB: into a table on disk, which like raw/ outlives the process, and into one in memory. The readings and
landings alternate.
"""

from __future__ import annotations

import shutil
import statistics
import time
from pathlib import Path

import duckdb

from benchmarks.measuring import RATE, RATIO, BrokenBenchmark, Figure, Findings, Plan, in_turn, ratios
from city_index.contracts import contracts
from city_index.database import file_pattern, quoted
from city_index.gates.client import GateClient
from city_index.landing.landing import Landing
from city_index.progress import SilentReporter
from city_index.settings import PROJECT_DIRECTORY, Settings

TITLE = "Landing observations, over DuckDB reading the same file"

TARGET = 3.0
ROWS, SHORT_ROWS = 10_000_000, 30_000
LEDGER = "landed.json"
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
    if database:
        database.unlink(missing_ok=True)
    started = time.perf_counter()
    with duckdb.connect(str(database) if database else ":memory:") as connection:
        connection.execute(
            f"create table observations as select * from read_csv({file_pattern(file)}, columns={{{columns}}}, "
            "header=true, delim=',', quote='\"', escape='\"', auto_detect=false, strict_mode=true)"
        )
    return time.perf_counter() - started


def measure(plan: Plan) -> Findings:
    """Time readings and landings in turn; gives their ratios, and rows landed in a second."""
    rows = plan.choose(SHORT_ROWS, ROWS)
    with GateClient() as gates:
        settings = Settings(
            project_directory=PROJECT_DIRECTORY,
            home=plan.folder / "home",
            landing_settle_seconds=0,
            landing_max_bytes=1 << 40,
        )
        file = write_files(settings, rows)
        Landing(settings, SilentReporter(), gates.check_landed).land()
        known = plan.folder / "known"
        _copy_state(settings.home, known)

        def land() -> float:
            (settings.landing / "observations" / "observations.csv").hardlink_to(file)
            started = time.perf_counter()
            outcome = Landing(settings, SilentReporter(), gates.check_landed).land()
            seconds = time.perf_counter() - started
            if [batch.record.accepted_count for batch in outcome.batches] != [rows]:
                raise BrokenBenchmark(f"the landing did not take {rows} rows: {outcome.sentences()}")
            _copy_state(known, settings.home)
            return seconds

        database = plan.folder / "baseline.duckdb"
        found = in_turn(
            {
                "on_disk": lambda: read_by_duckdb(file, database),
                "in_memory": lambda: read_by_duckdb(file, None),
                "landing": land,
            },
            plan.pair_count(3),
        )
    on_disk, in_memory = ratios(found["landing"], found["on_disk"]), ratios(found["landing"], found["in_memory"])
    figures = [
        Figure(
            f"landing {rows:,} rows, over reading them into a table on disk",
            statistics.median(on_disk),
            RATIO,
            target=TARGET,
            reason="rows are staged as text, judged, profiled and written as Parquet, each a pass over them",
        ),
        Figure("landing over reading into a table in memory", statistics.median(in_memory), RATIO),
        Figure("landing", rows / statistics.median(found["landing"]), RATE),
        Figure("reading into a table on disk", rows / statistics.median(found["on_disk"]), RATE),
    ]
    return Findings(figures, {"rows": rows, "ratios_on_disk": on_disk, "ratios_in_memory": in_memory})


def _copy_state(home: Path, target: Path) -> None:
    """Put what landings of one home have left in the place of what they have left in another."""
    for state in ("raw", "quarantine", "archive"):
        shutil.rmtree(target / state, ignore_errors=True)
        if (home / state).is_dir():
            shutil.copytree(home / state, target / state)
    shutil.copyfile(home / LEDGER, target / LEDGER)
