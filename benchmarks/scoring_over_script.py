"""Scoring a generated index through the project's dbt models, over one hand-written DuckDB script; and by other means.

The models are those of the scoring path: `fct_indicator_scores` and `fct_city_scores` with all that they rest on, by
one `dbt build` in a process of its own, from landed Parquet, without dbt's tests. The script makes the same two tables,
row for row and column for column; Polars, pandas and numpy compute the same scores and ranks. All take turns.

An index of this size has one edition, no scenarios and no worlds: what only grows with cities, the certainty of ranks
and the audit, is no part of the scoring path.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.measuring import (
    BYTES,
    EXPONENT,
    GIB,
    RATIO,
    SECONDS,
    Figure,
    Findings,
    NotReached,
    Plan,
    Run,
    exponent_of_growth,
    in_turn,
    in_words,
    median_ratio,
    ratios,
    run,
)
from benchmarks.scoring.agreement import demand_same_nodes, demand_same_tables
from benchmarks.warehouse import WITHOUT_TESTS, Warehouse, shares_by_node
from city_index.errors import CityIndexError
from city_index.settings import PROJECT_DIRECTORY, Settings

TITLE = "Scoring a generated index through the models, over one hand-written script"

RATIO_TARGET = 2.0
EXPONENT_TARGET = 1.1
INDICATORS = 60
SIZES = (15_000, 150_000, 1_500_000)
SHORT_SIZES = (150, 1_500)
FEW_CITIES = 15

# The most memory that each size may take; and what DuckDB is given of it, where Python and the reading need the rest.
MEMORY_TARGETS = {150_000: 1 * GIB, 1_500_000: 4 * GIB}
_SHARE_OF_DUCKDB = 0.45
_OTHERWISE = 2 * GIB

SCORING_PATH = ("--select", "+fct_indicator_scores", "+fct_city_scores", *WITHOUT_TESTS)

# pandas keeps every step of the long table whole: beyond this it takes more memory than the others together.
_MOST_CITIES_OF_PANDAS = 150_000
_PAIRS = {15_000: 5, 150_000: 3}


def measure(plan: Plan) -> Findings:
    """Time all sides at each size, after their results were held equal."""
    sizes = plan.choose(SHORT_SIZES, SIZES)
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=plan.folder / "home")
    notes = []
    try:
        peers = _peers()
    except CityIndexError as error:  # they are packages of their own, which a machine without a registry cannot get
        peers = {}
        notes.append(f"Polars, pandas and numpy were not tried: {error}.")
    if peers and max(sizes) > _MOST_CITIES_OF_PANDAS:
        notes.append(
            f"pandas was not tried with more than {_MOST_CITIES_OF_PANDAS:,} cities: it would not fit in memory."
        )
    warehouse = Warehouse(settings)
    warehouse.parse()
    _land(settings, FEW_CITIES)
    pairs = plan.pair_count(3)
    few = in_turn(
        {
            "models": lambda: warehouse.build(SCORING_PATH),
            "script": lambda: run_script(settings, plan.folder / "few.duckdb", _OTHERWISE),
        },
        pairs,
    )
    fixed = {side: statistics.median(each.seconds for each in runs) for side, runs in few.items()}
    figures, details, grown = [], {}, {}
    for cities in sizes:
        try:
            sides, shares = _measure_size(plan, settings, cities, peers, plan.pair_count(_PAIRS.get(cities, 1)), notes)
        except NotReached as error:
            figures += _not_reached(cities, str(error))
            continue
        figures += figures_of_size(cities, sides, fixed, shares)
        seconds = statistics.median(each.seconds for each in sides["models"]) - fixed["models"]
        if seconds > 0:
            grown[cities] = seconds
        details[str(cities)] = _details(sides, shares)
    figures.append(
        Figure(
            "exponent of the models' time over cities, without what dbt takes for any size",
            exponent_of_growth(list(grown), list(grown.values())) if len(grown) > 1 else None,
            EXPONENT,
            target=EXPONENT_TARGET,
            reason="the work is sorts and joins; what does not fit into the memory that DuckDB is given goes to disk",
        )
    )
    figures.append(Figure(f"the models at {FEW_CITIES} cities: what dbt takes for any size", fixed["models"], SECONDS))
    return Findings(figures, {"fixed_seconds": fixed, "sizes": details}, notes)


def _not_reached(cities: int, reason: str) -> list[Figure]:
    """The figures of a size at which models or script do not come to an end."""
    group = f"{cities:,} cities"
    return [
        Figure(f"models over script, {group}", None, RATIO, RATIO_TARGET, None, reason, group),
        Figure(f"memory of models, {group}", None, BYTES, MEMORY_TARGETS.get(cities), None, reason, group),
    ]


def _peers() -> Mapping[str, tuple[str, str, str]]:
    """For each peer its Python, its module and what it writes.

    Raises:
        CityIndexError: their packages cannot be installed.
    """
    from clients.environments import environment

    python = str(environment("frames").python)
    return {
        "Polars": (python, "benchmarks.scoring.polars_peer", "polars.parquet"),
        "pandas": (python, "benchmarks.scoring.pandas_peer", "pandas.parquet"),
        "numpy": (python, "benchmarks.scoring.numpy_floor", "numpy"),
    }


def _land(settings: Settings, cities: int) -> None:
    for folder in (settings.raw, settings.quarantine):
        shutil.rmtree(folder, ignore_errors=True)
    settings.landed_files.unlink(missing_ok=True)
    sizes = ("--cities", cities, "--indicators", INDICATORS)
    run([sys.executable, "-m", "benchmarks.generated", settings.home, *sizes])


def run_script(settings: Settings, database: Path, memory_bytes: int) -> Run:
    """The hand-written script, into a new database."""
    database.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.scoring.duckdb_script", settings.raw, database, memory_bytes >> 20]
    return run(command)


def _run_peer(settings: Settings, python: str, module: str, written: Path) -> Run:
    shutil.rmtree(written, ignore_errors=True)
    written.unlink(missing_ok=True)
    return run([python, "-m", module, settings.raw, written])


def _measure_size(
    plan: Plan,
    settings: Settings,
    cities: int,
    peers: Mapping[str, tuple[str, str, str]],
    pairs: int,
    notes: list[str],
) -> tuple[dict[str, list[Run]], dict[str, float]]:
    """The runs of each side, and the share of each model in the models' time.

    A peer that does not come to an end is left out, and a note says so.

    Raises:
        NotReached: models or script do not come to an end.
    """
    _land(settings, cities)
    given = int(MEMORY_TARGETS[cities] * _SHARE_OF_DUCKDB) if cities in MEMORY_TARGETS else _OTHERWISE
    bounded = Settings(project_directory=PROJECT_DIRECTORY, home=settings.home, build_memory_bytes=given)
    warehouse = Warehouse(bounded)
    warehouse.parse()  # dbt parses everything anew where the bound of its memory is another
    script = plan.folder / "script.duckdb"
    sides: dict[str, Callable[[], Run]] = {
        "models": lambda: warehouse.build(SCORING_PATH),
        "script": lambda: run_script(settings, script, given),
    }
    written = {peer: plan.folder / name for peer, (_python, _module, name) in peers.items()}
    if cities > _MOST_CITIES_OF_PANDAS:
        written.pop("pandas", None)
    for peer, path in list(written.items()):
        python, module, _name = peers[peer]
        try:
            _run_peer(settings, python, module, path)
        except NotReached as error:
            del written[peer]
            notes.append(f"{peer} does not come to an end with {cities:,} cities: {error}.")
        else:
            sides[peer] = lambda python=python, module=module, path=path: _run_peer(settings, python, module, path)
    found = in_turn(sides, pairs)
    demand_same_tables(warehouse.database, script)
    for peer, path in written.items():
        demand_same_nodes(script, peer, path)
    shares = shares_by_node(warehouse.target, found["models"][-1])
    warehouse.remove()
    script.unlink()
    return found, shares


def figures_of_size(
    cities: int, sides: Mapping[str, list[Run]], fixed: Mapping[str, float], shares: Mapping[str, float]
) -> list[Figure]:
    """What people read of one size.

    Args:
        cities: the size.
        sides: the runs of each side, those of models and script among them.
        fixed: what models and script take for any size, in seconds.
        shares: the share of each model in the models' time.
    """
    group = f"{cities:,} cities"
    times = {side: [each.seconds for each in runs] for side, runs in sides.items()}
    peaks = {side: max(each.peak_bytes for each in runs) for side, runs in sides.items()}
    whole = statistics.median(times["models"])
    grown = {side: [each - fixed[side] for each in times[side]] for side in fixed}
    has_grown = min(*grown["models"], *grown["script"]) > 0  # else the size is lost in what any size takes
    processor = {side: [each.processor_seconds for each in sides[side]] for side in fixed}
    reason = f"slowest models: {in_words(shares, 5)}; {fixed['models'] / whole:.0%} is what dbt takes for any size"
    figures = [
        Figure("models over script", median_ratio(times["models"], times["script"]), RATIO, RATIO_TARGET, None, reason),
        Figure(
            "models over script, both without what they take for 15 cities",
            median_ratio(grown["models"], grown["script"]) if has_grown else None,
            RATIO,
        ),
        Figure("processor time of models over script", median_ratio(processor["models"], processor["script"]), RATIO),
    ]
    figures += [
        Figure(f"{peer} over script", median_ratio(times[peer], times["script"]), RATIO)
        for peer in sides
        if peer not in ("models", "script")
    ]
    for side, peak in peaks.items():
        target = MEMORY_TARGETS.get(cities) if side == "models" else None
        reason = (
            f"DuckDB is bounded to {_SHARE_OF_DUCKDB:.0%} of it; Python, dbt and what it does not count come on top"
        )
        figures.append(Figure(f"memory of {side}", peak, BYTES, target, None, reason))
    return [
        Figure(f"{each.name}, {group}", each.value, each.unit, each.target, None, each.reason, group)
        for each in figures
    ]


def _details(sides: Mapping[str, list[Run]], shares: Mapping[str, float]) -> dict[str, object]:
    return {
        "ratios_to_script": {
            side: ratios([each.seconds for each in runs], [each.seconds for each in sides["script"]])
            for side, runs in sides.items()
            if side != "script"
        },
        "seconds": {side: [round(each.seconds, 2) for each in runs] for side, runs in sides.items()},
        "processor_seconds": {
            side: [round(each.processor_seconds, 2) for each in runs] for side, runs in sides.items()
        },
        "shares_of_the_models": {name: round(share, 3) for name, share in list(shares.items())[:15]},
    }
