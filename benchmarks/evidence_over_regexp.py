"""The wall time of a night that lands evidence, over that of DuckDB scanning its text once with a pattern per rule.

50,000 policies and 2,000,000 cases are the document's scale. The night is everything: landing, cleaning, merging,
classifying, scoring, the rest of the warehouse, the gates and publishing. The figure also stands without what the same
night takes without the records. The scan reads titles and texts from the file that is landed, and counts for each rule
of the taxonomy the records that the alternation of its words matches. Memory is the largest sum of the resident memory
of the run and its children.
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import duckdb

from benchmarks.measuring import BYTES, RATIO, BrokenBenchmark, Figure, Findings, Plan
from benchmarks.nightly_over_dbt import short_environment, stage_seconds
from city_index.database import file_pattern, quoted
from city_index.settings import PROJECT_DIRECTORY
from samples.evidence import write_evidence_parquet

TITLE = "A night that lands evidence, over one scan of its text"

TARGET_BYTES = 4 << 30
RECORDS, SHORT_RECORDS = (50_000, 2_000_000), (200, 2_000)
_RANDOM_SEED = 7
_LOOK_EVERY_SECONDS = 0.2
_PAGE = os.sysconf("SC_PAGE_SIZE")


def _resident_bytes(root: int) -> int:
    """The resident memory of a process and all below it; shared pages count in each."""
    parents, resident = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                resident[int(folder.name)] = int(fields[21]) * _PAGE
                parents[int(folder.name)] = int(fields[1])
            except OSError:
                continue  # it ended meanwhile
    family = {root}
    while more := {process for process, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(resident.get(process, 0) for process in family)


def write_framework(path: Path) -> None:
    """An edition 2024 of the report's tree, whose tertiaries the records are to score."""
    with (PROJECT_DIRECTORY / "seeds" / "frameworks.csv").open(encoding="utf-8", newline="") as stream:
        rows = [{**row, "edition": "2024"} for row in csv.DictReader(stream) if row["edition"] == "2020"]
    columns = [name for name in rows[0] if name != "note"]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def run_night(home: Path, environment: Mapping[str, str]) -> tuple[float, int, str]:
    """Seconds, largest resident memory in bytes and last words of a night."""
    started = time.perf_counter()
    night = subprocess.Popen(
        [sys.executable, "-m", "city_index", "run"],
        cwd=PROJECT_DIRECTORY,
        env={**os.environ, "CITY_INDEX_HOME": str(home), "CITY_INDEX_LANDING_MAX_BYTES": str(1 << 40), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    largest = [0]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_EVERY_SECONDS):
            largest[0] = max(largest[0], _resident_bytes(night.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    said, _nothing = night.communicate()
    ended.set()
    watcher.join()
    if night.returncode:
        raise BrokenBenchmark(f"the night failed: {said[-2000:]}")
    return time.perf_counter() - started, largest[0], said


def scan(file: Path) -> tuple[float, int]:
    """Seconds that one scan of the text takes with a pattern for each rule, and how many rules there are."""
    words: dict[str, list[str]] = {}
    with (PROJECT_DIRECTORY / "seeds" / "evidence_words.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["role"] == "any":
                words.setdefault(row["rule_code"], []).append(re.escape(row["word"]))
    counts = ", ".join(
        f"count(*) filter (where regexp_matches(words, {quoted('|'.join(patterns))}))" for patterns in words.values()
    )
    started = time.perf_counter()
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(
            f"select {counts} from (select title || ' ' || coalesce(text, '') as words "
            f"from read_parquet({file_pattern(file)}))"
        ).fetchone()
    return time.perf_counter() - started, len(words)


def measure(plan: Plan) -> Findings:
    """Time a night without records, the scan, and a night that lands them."""
    policies, cases = plan.choose(SHORT_RECORDS, RECORDS)
    environment = short_environment(plan)
    with (PROJECT_DIRECTORY / "seeds" / "cities.csv").open(encoding="utf-8", newline="") as stream:
        cities = [row["city_code"] for row in csv.DictReader(stream)]
    home = plan.folder / "home"
    file = plan.folder / "evidence.parquet"
    write_evidence_parquet(file, _RANDOM_SEED, cities, policies, cases)
    without, memory_without, _said = run_night(home, environment)
    scanned, rules = scan(file)
    for kind in ("evidence", "frameworks"):
        (home / "landing" / kind).mkdir(parents=True, exist_ok=True)
    write_framework(home / "landing" / "frameworks" / "2024.csv")
    (home / "landing" / "evidence" / "evidence.parquet").hardlink_to(file)
    night, memory, said = run_night(home, environment)
    with duckdb.connect(str(home / "published" / "city_index.duckdb"), read_only=True) as connection:
        by_class = dict(
            connection.execute(
                "select classification, count(*) from fct_evidence where not is_synthetic and duplicate_of is null "
                "group by all order by all"
            ).fetchall()
        )
        (duplicates,) = connection.execute(
            "select count(*) from fct_evidence where duplicate_of is not null and not is_synthetic"
        ).fetchone()
        (scored,) = connection.execute(
            "select count(*) from fct_indicator_scores where edition = '2024' and rule_code is not null"
        ).fetchone()
    figures = [
        Figure(f"a night that lands {policies + cases:,} records, over one scan of them", night / scanned, RATIO),
        Figure("what the records add to a night, over one scan", (night - without) / scanned, RATIO),
        Figure(
            "memory of that night: all its processes together",
            memory,
            BYTES,
            target=TARGET_BYTES,
            reason="DuckDB keeps to its bound; Dagster, Great Expectations and dbt stand beside it",
        ),
        Figure("memory of the night without them", memory_without, BYTES),
    ]
    return Findings(
        figures,
        {
            "rules": rules,
            "scan_seconds": round(scanned, 1),
            "stages": stage_seconds(said),
            "repeats": duplicates,
            "originals": by_class,
            "derived_tertiaries": scored,
        },
    )
