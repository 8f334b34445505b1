"""A night after one corrected observation, with twenty editions in the warehouse, over a full rebuild.

The home holds a generated index of twenty editions beside the shipped inputs. Before each night one observation of the
oldest edition is landed with another value, so that each has a release to publish. The full rebuild is such a night of
the same home whose build was deleted; what dbt parsed of the project is there for both.
"""

from __future__ import annotations

import itertools
import statistics
import sys

from benchmarks.generated import INDEX_CODE, GeneratedIndex
from benchmarks.measuring import RATIO, SHARE, BrokenBenchmark, Figure, Findings, Plan, Run, in_turn, ratios, run
from benchmarks.nightly_over_dbt import drop_observation, forget_build, night, short_environment, stage_shares
from benchmarks.warehouse import shares_by_node
from city_index.builds import latest_build
from city_index.database import open_database
from city_index.settings import PROJECT_DIRECTORY, Settings

TITLE = "A night after one corrected observation, with twenty editions, over a full rebuild"

INDEX = GeneratedIndex(cities=150, indicators=60, editions=20)
SHORT_INDEX = GeneratedIndex(cities=12, indicators=6, editions=3)

_CITY, _LEAF = "c0", "leaf_0"


def measure(plan: Plan) -> Findings:
    """Time nights that land a correction, and rebuilds, in turn."""
    index = plan.choose(SHORT_INDEX, INDEX)
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=plan.folder / "home")
    environment = short_environment(plan)
    size = ("--cities", index.cities, "--indicators", index.indicators, "--editions", index.editions)
    run([sys.executable, "-m", "benchmarks.generated", settings.home, *size])
    night(settings, environment)
    edition = index.edition_labels[0]
    values = itertools.count(11)

    def corrected_night(is_rebuild: bool) -> Run:
        if is_rebuild:
            forget_build(settings)
        value = float(next(values))
        row = {"index_code": INDEX_CODE, "edition": edition, "city_code": _CITY, "indicator_code": _LEAF}
        drop_observation(settings, f"correction-{value:g}", row | {"value": str(value)})
        corrected = night(settings, environment)
        if (found := _published(settings, edition)) != value:
            raise BrokenBenchmark(f"the corrected observation is {found} in what is published, and not {value}")
        return corrected

    found = in_turn(
        {"correction": lambda: corrected_night(False), "rebuild": lambda: corrected_night(True)}, plan.pair_count(3)
    )
    pairs = ratios(*([each.seconds for each in found[side]] for side in ("correction", "rebuild")))
    shares = stage_shares(found["correction"])
    nodes = shares_by_node(latest_build(settings).dbt_target, found["rebuild"][-1])
    return Findings(
        [
            Figure("night after one correction over full rebuild", statistics.median(pairs), RATIO),
            *(Figure(f"share of that night: {name}", share, SHARE) for name, share in shares.items()),
        ],
        {
            "editions": index.editions,
            "shares_of_the_models": {name: round(share, 3) for name, share in list(nodes.items())[:15]},
            "ratios": pairs,
            "seconds": {side: [round(each.seconds, 2) for each in runs] for side, runs in found.items()},
        },
    )


def _published(settings: Settings, edition: str) -> float | None:
    """The score of the corrected observation, which is its value: its leaf is normalised by score."""
    with open_database(settings.published_database) as connection:
        row = connection.execute(
            "select score from fct_indicator_scores "
            "where index_code = ? and edition = ? and city_code = ? and indicator_code = ?",
            [INDEX_CODE, edition, _CITY, _LEAF],
        ).fetchone()
    return row[0] if row else None
