"""Hostile input, all kinds of it, put to the product and counted.

``python -m reliability.fuzz [--long] [--write] [--only KIND] [--seed N] [--cases N]``; exit code 1
where a promise was broken. Cases that broke one are kept in the folder that is named at the end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from city_index.contracts import KINDS
from reliability.fuzz import arguments, environments, trees
from reliability.fuzz.landings import SECONDS, hostile_files, try_landings
from reliability.fuzz.mutations import special_files
from reliability.fuzz.tally import ACCEPTED, REFUSED, Tally
from reliability.page import provenance, table, write_section
from reliability.scratch import ScratchHome

LANDING = "landing"
ALL = (LANDING, trees.KIND, environments.KIND, arguments.KIND)

# How many cases of each kind the short and the long form try.
_CASES = {
    LANDING: (180, 6000),
    trees.KIND: (60, 1200),
    environments.KIND: (400, 20_000),
    arguments.KIND: (120, 2500),
}
# Of the choices of method that a leaf can make, one in so many is landed.
_METHOD_STEP = (97, 5)


def main() -> int:
    """Try what the command line asks for; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reliability.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true", help="many more cases, and trees of a million nodes")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/reliability.md")
    parser.add_argument("--only", choices=ALL, help="this kind of input alone")
    parser.add_argument("--seed", type=int, default=20201231)
    parser.add_argument("--cases", type=int, help="so many cases of each kind")
    parser.add_argument("--home", type=Path, help="a home with a published release, for arguments; made by default")
    asked = parser.parse_args()
    if asked.write and (asked.only or asked.cases):
        parser.error("--write is for a whole run")
    findings = Path(tempfile.mkdtemp(prefix="city-index-fuzz-"))
    with tempfile.TemporaryDirectory(prefix="city-index-fuzz-") as folder:
        tallies = try_all(Path(folder), findings, asked)
    print(figures(tallies))
    violations = [violation for tally in tallies for violation in tally.violations]
    for violation in violations:
        print(violation.sentence())
    if violations:
        print(f"{len(violations)} violations; the cases are in {findings}")
    else:
        findings.rmdir()
    if asked.write:
        command = "make fuzz" if asked.long else "python -m reliability.fuzz --write"
        text = f"{figures(tallies)}\n\n{details(tallies, asked.seed)}\n\n{provenance(command)}"
        write_section("fuzz", text)
    return 1 if violations else 0


def try_all(folder: Path, findings: Path, asked: argparse.Namespace) -> list[Tally]:
    """Try every kind that is asked for; gives what became of each."""
    found: list[Tally] = []

    def tally(kind: str) -> Tally:
        found.append(Tally(kind, findings))
        return found[-1]

    def cases(kind: str) -> int:
        return asked.cases or _CASES[kind][asked.long]

    def landing() -> None:
        by_kind = {kind: tally(f"{LANDING}: {kind}") for kind in KINDS}
        try_landings(by_kind, folder / "landing", hostile_files(cases(LANDING), asked.seed))
        if asked.long:
            try_landings(by_kind, folder / "immense", special_files())

    def framework_trees() -> None:
        step = _METHOD_STEP[asked.long]
        trees.try_trees(tally(trees.KIND), folder / "trees", cases(trees.KIND), step, asked.seed, asked.long)

    def settings() -> None:
        number = cases(environments.KIND)
        environments.try_settings(
            tally(environments.KIND), folder / "settings", number, number // 20 if asked.long else 20, asked.seed
        )

    def command_lines() -> None:
        home = asked.home
        if home is None:
            scratch = ScratchHome(folder / "published" / "home")
            scratch.home.mkdir(parents=True)
            scratch.city_index("run")
            home = scratch.home
        arguments.try_arguments(tally(arguments.KIND), home, folder / "arguments", cases(arguments.KIND), asked.seed)

    parts: dict[str, Callable[[], None]] = {
        LANDING: landing,
        trees.KIND: framework_trees,
        environments.KIND: settings,
        arguments.KIND: command_lines,
    }
    for kind, part in parts.items():
        if asked.only in (None, kind):
            started = time.monotonic()
            part()
            print(f"{kind}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return found


def figures(tallies: list[Tally]) -> str:
    """The cases of each kind, what became of them, and how often a promise was broken."""
    rows = [
        (tally.kind, tally.cases, tally.fates[REFUSED], tally.fates[ACCEPTED], len(tally.violations))
        for tally in tallies
    ]
    if len(rows) > 1:
        rows.append(("**all**", *(sum(row[place] for row in rows) for place in range(1, 5))))
    return table(("Input", "Cases", "Refused", "Accepted", "Violations"), rows)


def details(tallies: list[Tally], seed: int) -> str:
    """What else was counted, in sentences."""
    landed = [tally for tally in tallies if tally.kind.startswith(LANDING)]
    total = {name: sum(tally.figures[name] for tally in landed) for name in ("rows", "rows quarantined", "counted")}
    processes = sum(tally.figures["in processes of their own"] for tally in tallies)
    return (
        f"Accepted files held {total['rows']:,} rows, of which {total['rows quarantined']:,} were quarantined with "
        f"file, row number, raw text and reason; {total['counted']:,} files were counted by a second reader too. "
        f"No file may take more than {SECONDS} s of processor time; one that hangs is killed and counted. "
        f"{processes:,} commands ran in processes of their own. Seed {seed}."
    )


if __name__ == "__main__":
    sys.exit(main())
