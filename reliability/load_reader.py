"""One reader of the published database, as a process of its own: it reads without pause until it is told to stop.

Run as ``python -m reliability.load_reader DATABASE STOP_FILE RESULT_FILE SEED READS_HELD``. A read opens the database,
asks which release it is, takes the fingerprint of some of its tables, and asks one question of a BI page; everything it
saw is written down at the end, and judged by whoever knows what each release holds. A reader may hold its connection
over several reads: all of them have to see the release that the first one saw.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from pathlib import Path

import duckdb

from city_index.database import identifier

# What the pages of BI tools ask: a ranking, a profile, a tier table, a filter, an aggregate, a search, provenance.
QUESTIONS = (
    "select * from rpt_city_index where index_code = 'medical_digital' order by edition, total_rank limit 50",
    "select * from fct_indicator_scores where city_code = 'beijing' order by index_code, edition, indicator_code",
    "select tier_code, count(*), avg(total_score) from fct_city_scores group by all order by all",
    "select * from fct_cluster_scores order by all limit 200",
    "select indicator_code, quantile_cont(score, [0.05, 0.5, 0.95]) from fct_indicator_scores group by all order by 1",
    "select * from rpt_city_index where city_en ilike '%an%' or city_zh like '%州%' order by total_rank",
    "select scores.city_code, name_en, total_rank, rank_p05, rank_p95 from fct_city_scores as scores "
    "join dim_cities using (city_code) left join fct_rank_intervals using (index_code, edition, city_code) "
    "where indicator_code = 'total' order by all limit 500",
    "select provenance, count(*) from fct_indicator_scores group by all order by all",
)

_TABLES_A_READ = 3


def table_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables of a published database, sorted."""
    query = "select table_name from duckdb_tables() where schema_name = 'main' order by table_name"
    return [name for (name,) in connection.execute(query).fetchall()]


def fingerprint(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """What a table holds, whatever the order of its rows: their number and the sum of their hashes."""
    name = identifier(table)
    count, total = connection.execute(f"select count(*), sum(hash({name})::hugeint) from {name}").fetchone()
    return f"{count}:{total}"


def release_of(connection: duckdb.DuckDBPyConnection) -> str:
    """The release that a database says it is."""
    ((release_id,),) = connection.execute("select release_id from meta_release").fetchall()
    return release_id


def main(database: str, stop_file: str, result_file: str, seed: str, reads_held: str) -> None:
    """Read until the stop file is there; then write down what was seen."""
    chance, stop = random.Random(int(seed)), Path(stop_file)
    held: duckdb.DuckDBPyConnection | None = None
    held_release, held_reads = "", 0
    reads: list[tuple[float, float, float]] = []
    seen: Counter[tuple[str, str, str]] = Counter()
    errors: list[str] = []
    while not stop.exists():
        began = time.monotonic()
        try:
            if held is None:
                held, held_release, held_reads = duckdb.connect(database, read_only=True), "", 0
                held.execute("set threads = 1")
                tables = table_names(held)
            opened = time.monotonic()
            release_id = release_of(held)
            if held_release and release_id != held_release:
                errors.append(f"a held connection saw release {held_release} become {release_id}")
            held_release = release_id
            for table in chance.sample(tables, _TABLES_A_READ):
                seen[release_id, table, fingerprint(held, table)] += 1
            held.execute(chance.choice(QUESTIONS)).fetchall()
            if release_of(held) != release_id:
                errors.append(f"release {release_id} became another within one read")
            held_reads += 1
            reads.append((began, opened - began, time.monotonic() - began))
        except duckdb.Error as error:
            errors.append(f"{type(error).__name__}: {str(error).splitlines()[0]}")
        if held is not None and held_reads >= int(reads_held):
            held.close()
            held = None
    result = {"reads": reads, "seen": [[*key, count] for key, count in seen.items()], "errors": errors}
    Path(result_file).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
