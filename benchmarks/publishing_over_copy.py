"""Publishing a build, over DuckDB copying the same tables; and how long the queries of the report's pages take.

The build is that of the shipped inputs. For more cities than they have, each city of the report's edition stands in it
many times (``benchmarks.published``): what publishing and reading cost follows from the rows, not from where they come.
Publishing here is the database with keys and comments, Parquet and CSV, every table ordered by its key; the copy is the
same three without keys, comments and order.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.measuring import (
    BYTES,
    RATE,
    RATIO,
    SECONDS,
    BrokenBenchmark,
    Figure,
    Findings,
    NotReached,
    Plan,
    in_turn,
    ratios,
    run,
)
from benchmarks.nightly_over_dbt import SHORT_NIGHT
from benchmarks.warehouse import WITHOUT_TESTS, Warehouse
from city_index.releases.assemble import DATABASE_NAME, RELEASE_TABLES
from city_index.settings import PROJECT_DIRECTORY, Settings

TITLE = "Publishing, over DuckDB copying the same tables; the queries of the report's pages"

SHIPPED_CITIES = 150
SIZES, SHORT_SIZES = (150, 150_000), (150, 1_500)

_PAIRS = {150: 5, 150_000: 2}
_REPEATS = 3


def percentile(values: Sequence[float], percent: int) -> float:
    """The least value that so many per cent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * percent // 100) - 1, 0)]


def measure(plan: Plan) -> Findings:
    """Publish and copy in turn at each size, then ask the queries of what was published."""
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=plan.folder / "home", **SHORT_NIGHT)
    warehouse = Warehouse(settings)
    warehouse.build(WITHOUT_TESTS)
    figures, details, notes = [], {}, []
    for cities in plan.choose(SHORT_SIZES, SIZES):
        group = f"{cities:,} cities"
        try:
            found, details[str(cities)] = _measure_size(plan, settings, warehouse, cities)
        except NotReached as error:
            found = [Figure("publishing over copying", None, RATIO)]
            notes.append(f"{group}: publishing does not come to an end: {error}.")
        figures += [replace(figure, name=f"{figure.name}, {group}", group=group) for figure in found]
    return Findings(figures, details, notes)


def _step(*arguments: object) -> list[object]:
    return [sys.executable, "-m", "benchmarks.published", *arguments]


def _measure_size(
    plan: Plan, settings: Settings, warehouse: Warehouse, cities: int
) -> tuple[list[Figure], dict[str, object]]:
    build, manifest = warehouse.database, warehouse.target / "manifest.json"
    if cities > SHIPPED_CITIES:
        build = plan.folder / "enlarged.duckdb"
        run(_step("enlarge", warehouse.database, build, cities // SHIPPED_CITIES, manifest))
    memory = settings.build_memory_bytes
    folders = {side: plan.folder / side for side in ("assemble", "copy")}
    more = {"assemble": (memory, manifest), "copy": (memory,)}

    def publish(side: str):
        shutil.rmtree(folders[side], ignore_errors=True)
        return run(_step(side, build, folders[side], *more[side]))

    sides = in_turn({side: lambda side=side: publish(side) for side in folders}, plan.pair_count(_PAIRS.get(cities, 3)))
    published, copied = (json.loads(sides[side][-1].said) for side in ("assemble", "copy"))
    if {name: rows for name, rows in published.items() if name not in RELEASE_TABLES} != copied:
        raise BrokenBenchmark(f"publishing and copying gave other rows: {published} and {copied}")
    rows = sum(copied.values())
    seconds = {side: [each.seconds for each in runs] for side, runs in sides.items()}
    repeats = 1 if plan.is_short else _REPEATS
    database = folders["assemble"] / DATABASE_NAME
    asked = run(_step("queries", database, settings.report_cities, repeats, memory))
    queries = json.loads(asked.said)
    for folder in folders.values():
        shutil.rmtree(folder)
    pairs = ratios(seconds["assemble"], seconds["copy"])
    times = [each for each, _query in queries]
    figures = [
        Figure("publishing over copying", statistics.median(pairs), RATIO),
        Figure("publishing", rows / statistics.median(seconds["assemble"]), RATE),
        Figure("memory of publishing", max(each.peak_bytes for each in sides["assemble"]), BYTES),
        Figure("queries of the report's pages, p50", percentile(times, 50), SECONDS),
        Figure("queries of the report's pages, p95", percentile(times, 95), SECONDS),
        Figure("memory of reading for the pages", asked.peak_bytes, BYTES),
    ]
    slowest = sorted(queries, reverse=True)[:3]
    return figures, {
        "rows": rows,
        "ratios": pairs,
        "queries": len(queries),
        "slowest_queries": [[round(each, 3), " ".join(query.split())[:200]] for each, query in slowest],
    }
