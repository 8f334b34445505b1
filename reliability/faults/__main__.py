"""``python -m reliability.faults``: tries the faults, prints what came of each, and ends with 1 on a broken promise."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from reliability.faults import clocks, damage, disks, neighbours, services
from reliability.faults.trials import Case, Skipped, Workshop
from reliability.page import provenance, table, write_section

GROUPS = ("disk", "folders", "damage", "clock", "dagster", "rivals", "reader")
_NAMESPACE = ["unshare", "--mount", "--propagation", "private"]


def all_cases() -> list[Case]:
    """Every case of every group."""
    return [case for module in (disks, damage, clocks, services, neighbours) for case in module.cases()]


def enter_namespace(arguments: list[str]) -> None:
    """Begin anew in a mount namespace of its own, where that may be had; mounts end with it, however it ends."""
    can = shutil.which("unshare") and os.geteuid() == 0
    if can and subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode == 0:
        os.execvp(_NAMESPACE[0], [*_NAMESPACE, sys.executable, "-m", "reliability.faults", "--inside", *arguments])


def attempt(case: Case, workshop: Workshop) -> list[str] | str:
    """Try a case; gives its broken promises, or why it was not tried."""
    try:
        return case.attempt(workshop)
    except Skipped as reason:
        return str(reason)
    except Exception as error:  # a case that cannot be judged has not shown that the promise holds
        return [f"the trial itself failed: {type(error).__name__}: {error}"]
    finally:
        workshop.clear()


def main() -> int:
    """Try the cases; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reliability.faults", description=__doc__)
    parser.add_argument("--long", action="store_true", help="also the cases that take whole nights")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/reliability.md")
    parser.add_argument("--only", choices=GROUPS, action="append", help="only this group")
    parser.add_argument("--match", default="", help="only the faults whose words hold this")
    parser.add_argument("--every", type=int, default=1, help="of each group only every so many-th fault")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.inside:
        enter_namespace(sys.argv[1:])
    cases = [
        case
        for case in all_cases()
        if (arguments.long or not case.is_long)
        and (not arguments.only or case.group in arguments.only)
        and arguments.match in f"{case.group}: {case.fault}"
    ]
    cases = [case for group in GROUPS for case in [each for each in cases if each.group == group][:: arguments.every]]
    tried: Counter[str] = Counter()
    broken: dict[str, list[tuple[str, str]]] = {}
    skipped: dict[str, list[tuple[str, str]]] = {}
    with tempfile.TemporaryDirectory(prefix="city-index-faults-") as folder:
        Path(folder).chmod(0o755)
        workshop = Workshop(Path(folder), can_mount=arguments.inside)
        for case in cases:
            began = time.monotonic()
            found = attempt(case, workshop)
            took = time.monotonic() - began
            if isinstance(found, str):
                skipped.setdefault(case.group, []).append((case.fault, found))
                print(f"{case.group}: {case.fault}: not tried: {found}", flush=True)
                continue
            tried[case.group] += 1
            print(f"{case.group}: {case.fault}: {len(found) or 'no'} violations ({took:.1f} s)", flush=True)
            for violation in found:
                # The page names no folder of the machine.
                broken.setdefault(case.group, []).append((case.fault, violation.replace(f"{folder}/", "")))
                print(f"  {violation}", flush=True)
    text = _section(cases, tried, broken, skipped, _command(arguments))
    print(f"\n{text}")
    if arguments.write:
        write_section("faults", text)
    return 1 if broken else 0


def _command(arguments: argparse.Namespace) -> str:
    """The command that tries the same again."""
    chosen = [f"--only {group}" for group in arguments.only or []]
    chosen += [f"--match {shlex.quote(arguments.match)}"] if arguments.match else []
    chosen += [f"--every {arguments.every}"] if arguments.every > 1 else []
    if arguments.long and not chosen:
        return "make chaos"
    return " ".join(["python -m reliability.faults", *(["--long"] if arguments.long else []), *chosen])


def _section(cases: list[Case], tried: Counter, broken: dict, skipped: dict, command: str) -> str:
    groups = [group for group in GROUPS if any(case.group == group for case in cases)]
    rows = [
        (group, tried[group], len({fault for fault, _violation in broken.get(group, [])}), len(skipped.get(group, [])))
        for group in groups
    ]
    totals = tuple(sum(row[column] for row in rows) for column in (1, 2, 3))
    lines = [table(("Group", "Faults tried", "With violations", "Not tried here"), [*rows, ("all", *totals)]), ""]
    faults = [(case.group, case.fault) for case in cases]
    for title, found in (("Violations", broken), ("Not tried here", skipped)):
        listed = [(group, fault, said) for group in groups for fault, said in found.get(group, [])]
        if listed:
            lines += [f"{title}:", "", table(("Group", "Fault", "Said"), listed), ""]
    lines += ["<details><summary>Every fault</summary>", "", table(("Group", "Fault"), faults), "", "</details>", ""]
    return "\n".join([*lines, provenance(command)])


if __name__ == "__main__":
    sys.exit(main())
