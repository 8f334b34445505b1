"""The wall time of `city-index run` over that of a bare `dbt build` of the same project.

Each starts from what a second night finds: the project is parsed, the warehouse is built from scratch. The build before
is deleted, so that a night computes all that the bare build does. The night lands one changed observation, so that it
has a release to publish, with exports and report; beside it stands a night that finds nothing new. The bare build is
everything that dbt does, its tests included.
"""

from __future__ import annotations

import csv
import itertools
import re
import shutil
import statistics
import sys
from collections.abc import Mapping

from benchmarks.measuring import (
    BYTES,
    RATIO,
    SHARE,
    BrokenBenchmark,
    Figure,
    Findings,
    Plan,
    Run,
    in_turn,
    in_words,
    ratios,
    run,
)
from benchmarks.warehouse import Warehouse
from city_index.builds import latest_build
from city_index.releases.store import current_release
from city_index.settings import PROJECT_DIRECTORY, Settings

TITLE = "The nightly run, over a bare dbt build"

TARGET, STRETCH = 2.0, 1.5

# A short night draws few worlds.
SHORT_NIGHT = {"draw_count": 500, "sensitivity_rows": 32, "workbook_rows": 1000}
_SHORT_ENVIRONMENT = {f"CITY_INDEX_{name.upper()}": str(value) for name, value in SHORT_NIGHT.items()}

BETWEEN = "start, parsing and all else between them"

_STAGE = re.compile(r"^([a-z][a-z /._]+): .*\((\d+\.\d) s\)$", flags=re.MULTILINE)


def night(settings: Settings, environment: Mapping[str, str] | None = None) -> Run:
    """One `city-index run` of a home."""
    given = {
        "CITY_INDEX_HOME": str(settings.home),
        "CITY_INDEX_LANDING_SETTLE_SECONDS": "0",
        "CITY_INDEX_LOG_FORMAT": "human",
        **(environment or {}),
    }
    return run([sys.executable, "-m", "city_index", "run"], given)


def short_environment(plan: Plan) -> dict[str, str]:
    """What a night of a short form is told beside its home."""
    return dict(_SHORT_ENVIRONMENT) if plan.is_short else {}


def stage_seconds(said: str) -> dict[str, float]:
    """The seconds of each stage, from what a night has printed."""
    return {name: float(seconds) for name, seconds in _STAGE.findall(said)}


def stage_shares(nights: list[Run]) -> dict[str, float]:
    """The share of each stage in the wall time of nights, and that of all between them: the median over the nights."""
    shares: dict[str, list[float]] = {}
    for each in nights:
        stages = {name: seconds / each.seconds for name, seconds in stage_seconds(each.said).items()}
        for name, share in (stages | {BETWEEN: 1 - sum(stages.values())}).items():
            shares.setdefault(name, []).append(share)
    return {name: statistics.median(found) for name, found in shares.items()}


def drop_observation(settings: Settings, name: str, row: Mapping[str, str]) -> None:
    """Drop a file of one observation into the landing folder."""
    folder = settings.landing / "observations"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.csv").write_text(f"{','.join(row)}\n{','.join(row.values())}\n", encoding="utf-8")


def land_change(settings: Settings, number: int) -> None:
    """Drop a file that changes one shipped observation a little, so that the next night has something to publish."""
    with (PROJECT_DIRECTORY / "seeds" / "observations.csv").open(encoding="utf-8", newline="") as stream:
        row = next(csv.DictReader(stream))
    changed = {name: row[name] for name in ("index_code", "edition", "city_code", "indicator_code")}
    changed["value"] = f"{float(row['value']) - 0.01 * number:.2f}"
    drop_observation(settings, f"change-{number}", changed)


def forget_build(settings: Settings) -> None:
    """Delete the build that a night left, so that the next one takes nothing over from it."""
    build = latest_build(settings)
    if build is None:
        raise BrokenBenchmark("the night left no build")
    shutil.rmtree(build.folder)


def measure(plan: Plan) -> Findings:
    """Time a night that publishes, one that finds nothing new, and a bare build in turn; and the first one's stages."""
    # Two homes: a night publishes, keeps releases and parses for itself.
    of_night = Settings(project_directory=PROJECT_DIRECTORY, home=plan.folder / "night")
    knobs = SHORT_NIGHT if plan.is_short else {}
    bare = Warehouse(Settings(project_directory=PROJECT_DIRECTORY, home=plan.folder / "bare", **knobs))
    environment = short_environment(plan)
    bare.parse()
    night(of_night, environment)
    changes = itertools.count(1)

    def publishing_night() -> Run:
        before = current_release(of_night)
        land_change(of_night, next(changes))
        forget_build(of_night)
        found = night(of_night, environment)
        if current_release(of_night) == before:
            raise BrokenBenchmark(f"a night after a change published nothing: {found.said[-500:]}")
        return found

    def unchanged_night() -> Run:
        forget_build(of_night)
        return night(of_night, environment)

    found = in_turn(
        {"night": publishing_night, "unchanged": unchanged_night, "bare": bare.build},
        plan.pair_count(5),
    )
    seconds = {side: [each.seconds for each in runs] for side, runs in found.items()}
    pairs = ratios(seconds["night"], seconds["bare"])
    shares = stage_shares(found["night"])
    figures = [
        Figure(
            "night over dbt build",
            statistics.median(pairs),
            RATIO,
            target=TARGET,
            stretch=STRETCH,
            reason=f"largest parts of the night: {in_words(shares, 5)}",
        ),
        Figure(
            "night that finds nothing new, over dbt build",
            statistics.median(ratios(seconds["unchanged"], seconds["bare"])),
            RATIO,
        ),
        *(Figure(f"share of the night: {name}", share, SHARE) for name, share in shares.items()),
        Figure("memory of the night: its largest process", max(each.peak_bytes for each in found["night"]), BYTES),
        Figure("memory of dbt build", max(each.peak_bytes for each in found["bare"]), BYTES),
    ]
    return Findings(
        figures,
        {
            "ratios": pairs,
            "seconds": {side: [round(each, 2) for each in runs] for side, runs in seconds.items()},
            "processor_seconds": {
                side: [round(each.processor_seconds, 2) for each in runs] for side, runs in found.items()
            },
        },
    )
