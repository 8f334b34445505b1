"""Run the benchmarks: ``make bench``, or ``python -m benchmarks [--short] [--only NAME]...``.

Prints a table and writes it, with a chart, the figures and their history, into ``bench/`` of the home. Ends with 0
where every benchmark could be run, its targets met or named as missed; with 1 where one is broken.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from benchmarks.measuring import MISSED, Plan
from benchmarks.report import Outcome, markdown, record, remember, write
from city_index.errors import CityIndexError
from city_index.hashing import code_version
from city_index.settings import Settings

# In the order in which they run: the quick ones first.
MODULES = {
    "nightly": "nightly_over_dbt",
    "draws": "draws_over_numpy",
    "landing": "landing_over_duckdb",
    "publishing": "publishing_over_copy",
    "correction": "correction_over_rebuild",
    "scoring": "scoring_over_script",
    "evidence": "evidence_over_regexp",
}


def module_of(name: str) -> ModuleType:
    """The module of a benchmark: ``TITLE``, and ``measure(plan)``, which gives its findings."""
    return importlib.import_module(f"benchmarks.{MODULES[name]}")


def run_one(name: str, is_short: bool, pairs: int | None) -> Outcome:
    """Run one benchmark in a folder of its own."""
    module = module_of(name)
    started = time.perf_counter()
    findings, fault = None, None
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
        try:
            findings = module.measure(Plan(Path(folder), is_short, pairs))
        except CityIndexError as error:
            fault = str(error)
        except Exception as error:  # the others are still to be measured
            traceback.print_exc()
            fault = f"{type(error).__name__}: {error}"
    if findings and is_short:  # small sizes say nothing of the targets
        without = [replace(figure, target=None, stretch=None) for figure in findings.figures]
        findings = replace(findings, figures=without)
    return Outcome(name, module.TITLE, findings, fault, time.perf_counter() - started)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure ratios side by side.")
    parser.add_argument("--short", action="store_true", help="try everything at small sizes")
    parser.add_argument("--only", action="append", choices=list(MODULES), help="run this one; may be given again")
    parser.add_argument("--pairs", type=int, help="how often the sides take turns")
    chosen = parser.parse_args(arguments)
    if chosen.pairs is not None and chosen.pairs < 1:
        parser.error("--pairs is at least 1")
    settings = Settings.from_environment()
    outcomes, version = [], code_version(settings)
    for name in chosen.only or MODULES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        outcomes.append(run_one(name, chosen.short, chosen.pairs))
        run = record(version, outcomes, chosen.short)
        folder = write(settings, run, outcomes)  # a long run that is stopped leaves what it has found
    if code_version(settings) != version:
        print("The code was changed while it was measured: the figures belong to no version.", file=sys.stderr)
        return 1
    remember(settings, run)
    print(markdown(run, outcomes))
    missed = sum(figure.status == MISSED for outcome in outcomes for figure in outcome.figures)
    broken = [outcome.name for outcome in outcomes if outcome.fault]
    print(f"{folder}: {missed} targets missed, {len(broken)} benchmarks broken: {', '.join(broken) or 'none'}")
    return 1 if broken else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(128 + signal.SIGTERM))  # so that what was started ends too
    sys.exit(main())
