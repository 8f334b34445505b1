"""Some faults of each group, tried on homes of their own; `make chaos` tries all."""

from __future__ import annotations

import subprocess
import sys

import pytest

from city_index.settings import PROJECT_DIRECTORY
from reliability.faults.__main__ import GROUPS, all_cases


def test_every_group_has_faults_and_every_fault_a_name_of_its_own() -> None:
    names = [(case.group, case.fault) for case in all_cases()]
    assert len(set(names)) == len(names)
    assert {group for group, _fault in names} == set(GROUPS)


@pytest.mark.slow
def test_some_faults_of_each_group_break_no_promise() -> None:
    tried = subprocess.run(
        [sys.executable, "-m", "reliability.faults", "--every", "9"],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode == 0, tried.stdout[-3000:] + tried.stderr[-2000:]
    for group in ("disk", "folders", "damage", "rivals", "reader"):
        assert f"{group}: " in tried.stdout
    assert tried.stdout.count(": no violations") >= 10
