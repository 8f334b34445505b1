"""The wall time of `city-index run` over that of a bare `dbt build` of the same project.

The two alternate. Each starts from what a second night finds: dbt's parsed project is there, the warehouse is built
from scratch. The bare build is everything that dbt does, its tests included.
"""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Mapping

from benchmarks.measuring import BYTES, RATIO, SHARE, Figure, Findings, Plan, Run, in_turn, in_words, ratios, run
from benchmarks.warehouse import Warehouse
from city_index.settings import PROJECT_DIRECTORY, Settings

TITLE = "The nightly run, over a bare dbt build"

TARGET, STRETCH = 2.0, 1.5

# A short night draws few worlds.
SHORT_NIGHT = {"draw_count": 500, "sensitivity_rows": 32, "workbook_rows": 1000}
_SHORT_ENVIRONMENT = {f"CITY_INDEX_{name.upper()}": str(value) for name, value in SHORT_NIGHT.items()}

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


def stage_shares(nights: list[Run]) -> dict[str, float]:
    """The share of each stage in the wall time of nights: the median over them."""
    shares: dict[str, list[float]] = {}
    for each in nights:
        for name, seconds in _STAGE.findall(each.said):
            shares.setdefault(name, []).append(float(seconds) / each.seconds)
    return {name: statistics.median(found) for name, found in shares.items()}


def measure(plan: Plan) -> Findings:
    """Time both commands in turn; gives their ratio and the share of each stage of the nightly run."""
    # Two homes: a night publishes, keeps releases and parses for itself.
    of_night = Settings(project_directory=PROJECT_DIRECTORY, home=plan.folder / "night")
    knobs = SHORT_NIGHT if plan.is_short else {}
    bare = Warehouse(Settings(project_directory=PROJECT_DIRECTORY, home=plan.folder / "bare", **knobs))
    environment = short_environment(plan)
    bare.parse()
    night(of_night, environment)
    found = in_turn({"night": lambda: night(of_night, environment), "bare": bare.build}, plan.pair_count(5))
    pairs = ratios([each.seconds for each in found["night"]], [each.seconds for each in found["bare"]])
    shares = stage_shares(found["night"])
    figures = [
        Figure(
            "night over dbt build",
            statistics.median(pairs),
            RATIO,
            target=TARGET,
            stretch=STRETCH,
            reason=f"largest stages of the night: {in_words(shares, 5)}",
        ),
        *(Figure(f"share of the night: {name}", share, SHARE) for name, share in shares.items()),
        Figure("memory of the night: its largest process", max(each.peak_bytes for each in found["night"]), BYTES),
        Figure("memory of dbt build", max(each.peak_bytes for each in found["bare"]), BYTES),
    ]
    return Findings(
        figures,
        {
            "ratios": pairs,
            "seconds": {side: [round(each.seconds, 2) for each in runs] for side, runs in found.items()},
            "processor_seconds": {
                side: [round(each.processor_seconds, 2) for each in runs] for side, runs in found.items()
            },
        },
    )
