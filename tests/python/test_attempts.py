"""A file that kills whoever reads it is refused in the end; one that a kill met by chance is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from landing_files import CITIES, Door, make_door

from city_index.landing.attempts import KILLS_TO_REFUSE, attempts_file
from city_index.settings import PROJECT_DIRECTORY

# A landing that a crash inside a library ends while it reads a file of this name.
_CRASHING = """
import os, signal, sys
from city_index.landing import landing
from city_index.progress import SilentReporter
from city_index.settings import Settings
read = landing.stage
def crash(connection, contract, path, *rest):
    if path.name == "bad.csv":
        os.kill(os.getpid(), signal.SIGKILL)
    return read(connection, contract, path, *rest)
landing.stage = crash
outcome = landing.Landing(Settings.from_environment(), SilentReporter(), lambda batches: []).land()
print(*outcome.sentences(), sep="\\n")
"""


def land_crashing(door: Door) -> subprocess.CompletedProcess[str]:
    environment = {"CITY_INDEX_HOME": str(door.settings.home), "CITY_INDEX_LANDING_SETTLE_SECONDS": "0"}
    return subprocess.run(
        [sys.executable, "-c", _CRASHING],
        cwd=PROJECT_DIRECTORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_file_that_kills_the_run_is_refused_after_the_third_and_the_others_land(tmp_path: Path) -> None:
    door = make_door(tmp_path)
    door.drop("cities", "good.csv", CITIES)
    bad = door.drop("cities", "bad.csv", CITIES.replace("AUT", "DEU"))
    for _ in range(KILLS_TO_REFUSE):
        assert land_crashing(door).returncode == -signal.SIGKILL
        assert door.raw("cities", "city_code") == []
    survived = land_crashing(door)
    assert survived.returncode == 0, survived.stderr
    assert "refused cities/bad.csv: ends the run: the last 3 runs that read it were killed" in survived.stdout
    assert door.raw("cities", "city_code") == [("AUT",), ("CHE",)]
    (refused,) = door.land().refused
    assert refused.reason == "ends the run" and bad.exists(), "it stays refused for as long as it is the same file"
    os.utime(bad)
    assert door.land().refused == []
    assert len(door.raw("cities", "city_code")) == 4
    assert not attempts_file(door.settings).exists()


def test_a_file_that_a_kill_met_is_landed_and_forgotten(tmp_path: Path) -> None:
    door = make_door(tmp_path)
    door.drop("cities", "bad.csv", CITIES)
    for _ in range(KILLS_TO_REFUSE - 1):
        assert land_crashing(door).returncode == -signal.SIGKILL
    assert len(door.land().batches) == 1
    assert not attempts_file(door.settings).exists()


@pytest.mark.parametrize("note", ["{", "[]", '{"reading": [], "killed": {"x": {}}}', '{"reading": {}, "killed": {}}'])
def test_a_damaged_note_is_passed_over(tmp_path: Path, note: str) -> None:
    door = make_door(tmp_path)
    attempts_file(door.settings).write_text(note, encoding="utf-8")
    door.drop("cities", "a.csv", CITIES)
    assert len(door.land().batches) == 1
    assert not attempts_file(door.settings).exists()
