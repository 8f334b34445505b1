"""Killed at any step, the product loses nothing: the short form of `make chaos` for kills, and a whole night."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from support import Published, copy_home

from reliability.killing.nights import POINTS, Nights, Point, deal
from reliability.killing.scenarios import small_scenarios
from reliability.killing.trials import Scenario, Trial
from reliability.kills import LONG, SHORT, Tally, kill_small


@pytest.mark.slow
def test_landings_publications_and_rollbacks_killed_at_any_step_break_nothing(tmp_path: Path) -> None:
    tally = Tally()
    kill_small(SHORT, tmp_path, random.randrange(10**9), tally)
    assert tally.all_violations == []
    assert tally.all_kills >= 24
    assert all(tally.kills.values())


def test_a_whole_night_killed_while_it_publishes_is_completed_by_the_next(published: Published, tmp_path: Path) -> None:
    home = copy_home(published.home, tmp_path / "home")
    nights = Nights(home, random.Random(random.randrange(10**9)), print)
    nights.row([Point(POINTS.index(("stage_started", "publish")), 0.1)])
    assert nights.outcome.violations == []
    assert nights.outcome.kills == 1


def test_a_product_that_loses_what_was_being_landed_is_caught(tmp_path: Path) -> None:
    scenario = next(scenario for scenario in small_scenarios(tmp_path / "templates") if scenario.group == "landing")
    # A home whose landing folder lost a file before the next run could take it.
    lossy = tmp_path / "lossy"
    scenario.template.rename(lossy)
    (lossy / "landing" / "observations" / "3.csv").unlink()
    broken: Scenario = replace(scenario, template=lossy)
    outcome = Trial(broken, tmp_path / "trial", "a lossy one").killed_at_step(5)
    assert outcome.kills == 1
    assert any("has neither landed nor does it lie" in violation for violation in outcome.violations)
    assert any("rows accepted and quarantined" in violation for violation in outcome.violations)


def test_each_point_of_a_night_is_killed_as_often_as_any_other() -> None:
    rows = deal(LONG.nights, LONG.in_a_row, random.Random(1))
    places = [point.place for row in rows for point in row]
    assert {places.count(place) for place in range(len(POINTS))} == {LONG.nights // len(POINTS)}
    assert all(row == sorted(row, key=lambda point: point.place) for row in rows)
