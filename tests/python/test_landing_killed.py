"""A landing that is killed at any point is completed by the next one: no row twice, none lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from landing_files import OBSERVATIONS, Door, make_door

from city_index.settings import PROJECT_DIRECTORY

FILES = 6
ROWS_PER_FILE = 400

# Lands in a process of its own, which ends itself at the n-th step that moves or removes a file.
_LAND = """
import os, shutil, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from landing_files import make_door
countdown = int(sys.argv[2])
def counted(original):
    def step(*arguments, **options):
        global countdown
        countdown -= 1
        if countdown == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **options)
        countdown -= 1
        if countdown == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return step
if countdown:
    os.replace, shutil.move, Path.unlink = counted(os.replace), counted(shutil.move), counted(Path.unlink)
from city_index.landing import raw_store
raw_store.COMPACT_FROM = 4
make_door(Path(sys.argv[1])).land()
print("landed")
"""


def start(home: Path, countdown: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _LAND, str(home), str(countdown), str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT_DIRECTORY,
        env={**os.environ, "PYTHONPATH": str(PROJECT_DIRECTORY)},
    )


def fill(door: Door) -> None:
    """Files of which every tenth row is wrong."""
    cities = "city_code,name_zh,name_en\n" + "".join(f"C{i},国,Country\n" for i in range(ROWS_PER_FILE // 2))
    door.drop("cities", "countries.csv", cities)
    header, *nodes = """index_code,edition,indicator_code,parent_code,name_zh,name_en,weight
big,E,total,,x,X,1
big,E,p,total,x,X,1
big,E,s,p,x,X,1
big,E,a,s,x,X,1
big,E,b,s,x,X,1""".splitlines()
    trees = "".join(f"{node.replace(',E,', f',{edition},')}\n" for edition in range(FILES) for node in nodes)
    door.drop("frameworks", "trees.csv", f"{header}\n{trees}")
    for edition in range(FILES):
        rows = "".join(
            f"big,{edition},C{number // 2},{'ab'[number % 2]},{'x' if number % 10 == 0 else number % 100}\n"
            for number in range(ROWS_PER_FILE)
        )
        door.drop("observations", f"{edition}.csv", OBSERVATIONS + rows)


def check(door: Door) -> None:
    """Everything was landed exactly once, and nothing is left over."""
    assert door.waiting() == []
    door.account()
    accepted = door.raw("observations", "edition, city_code, indicator_code, value")
    refused = door.quarantined("observations", "edition, row_number")
    expected = {
        (str(edition), f"C{number // 2}", "ab"[number % 2], float(number % 100))
        for edition in range(FILES)
        for number in range(ROWS_PER_FILE)
        if number % 10
    }
    assert len(accepted) == len(expected) and set(accepted) == expected
    assert sorted(refused) == [(str(edition), 2 + n) for edition in range(FILES) for n in range(0, ROWS_PER_FILE, 10)]
    assert len(door.raw("cities", "city_code")) == ROWS_PER_FILE // 2
    assert len(door.raw("frameworks", "indicator_code")) == 5 * FILES
    assert not door.settings.landing_work.exists()


@pytest.fixture
def door(tmp_path: Path) -> Door:
    door = make_door(tmp_path)
    fill(door)
    return door


def finish(door: Door) -> None:
    process = start(door.settings.home)
    said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    check(door)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, 6))
def test_killed_before_and_after_every_step_that_moves_a_file(door: Door, first: int, is_long: bool) -> None:
    """Each landing is killed a little later than the one before, on top of what that one left behind."""
    if first > 2 and not is_long:
        pytest.skip("the long form: make proofs")
    kills = 0
    for countdown in range(first, 200, 5):
        process = start(door.settings.home, countdown)
        process.communicate(timeout=120)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        kills += 1
    print(f"{kills} landings killed at a step")
    assert kills >= 2
    finish(door)


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path: Path, is_long: bool) -> None:
    random_ = random.Random(7)
    rounds, kills = (20 if is_long else 2), 0
    for number in range(rounds):
        door = make_door(tmp_path / str(number))
        fill(door)
        for _attempt in range(4):
            process = start(door.settings.home)
            time.sleep(0.3 + random_.random() * 1.2)
            kills += process.poll() is None
            process.kill()
            process.communicate()
        finish(door)
    print(f"{kills} landings killed at random")
    assert kills >= rounds
