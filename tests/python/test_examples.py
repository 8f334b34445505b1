"""The example indices under docs/examples are what their page says, landed from their files."""

from __future__ import annotations

import math
from pathlib import Path

import duckdb
import pytest


def scores(database: Path, index_code: str, columns: str = "score") -> dict:
    with duckdb.connect(str(database), read_only=True) as connection:
        rows = connection.execute(
            f"select city_code, indicator_code, {columns} from fct_indicator_scores where index_code = ?", [index_code]
        ).fetchall()
    return {(city, code): found[0] if len(found) == 1 else tuple(found) for city, code, *found in rows}


def test_the_human_development_index_comes_out_as_by_hand(guests: Path) -> None:
    found = scores(guests, "human_development")
    by_hand = {
        "alfa": 1.0,
        "bravo": 0.5,
        "charlie": ((63.2 / 65) * (1 + 13 / 15) / 2 * math.log(646.6) / math.log(750)) ** (1 / 3),
        "delta": ((35 / 65) * (5.5 / 18 + 5.7 / 15) / 2 * math.log(7.68) / math.log(750)) ** (1 / 3),
    }
    for country, expected in by_hand.items():
        assert found[country, "total"] == pytest.approx(expected, abs=1e-12), country
    assert (round(by_hand["charlie"], 3), round(by_hand["delta"], 3)) == (0.961, 0.384)
    assert found["echo", "total"] is None
    with duckdb.connect(str(guests), read_only=True) as connection:
        shown = connection.execute(
            "select city_code, total_score from rpt_city_index "
            "where index_code = 'human_development' and total_rank < 4"
        ).fetchall()
    assert dict(shown) == {"alfa": 1.0, "charlie": 0.961, "bravo": 0.5}


def test_the_four_level_example_comes_out_as_by_hand(guests: Path) -> None:
    found = scores(guests, "liveability", "score, is_imputed, missing_reason")
    town_b = {code: result for (city, code), result in found.items() if city == "town_b"}
    assert town_b["park_area"] == (100.0, False, None)
    assert town_b["doctors"] == pytest.approx((70.0, True, None))
    assert town_b["minutes_to_hospital"] == pytest.approx((1 + 99 * 0.8, False, None))
    assert town_b["care"][0] == pytest.approx(2 / (1 / 70 + 1 / 80.2))
    assert found["town_d", "transit_share"] == (40.0, True, None)
    # Without its outlier of 180, fine dust runs from 20 to 32.
    assert found["town_h", "fine_dust"][0] == 1.0
    assert found["town_b", "fine_dust"][0] == pytest.approx(1 + 99 * 10 / 12)
    # Air 2 : green 1, geometric; the tie of 280 days shares the fifth place of seven.
    air = (1 + 99 * 10 / 12 + 1 + 99 * 5 / 7) / 2
    assert town_b["air"][0] == pytest.approx(air)
    assert town_b["environment"][0] == pytest.approx(math.exp((2 * math.log(air) + math.log(100)) / 3))
    total = 0.4 * town_b["environment"][0] + 0.6 * town_b["services"][0]
    assert town_b["total"] == pytest.approx((total, True, None))


def test_what_was_treated_is_written_down(guests: Path) -> None:
    with duckdb.connect(str(guests), read_only=True) as connection:
        treated = connection.execute(
            "select city_code, indicator_code, treatment, old_value, new_value from fct_treatments"
        ).fetchall()
    assert treated == [("town_h", "fine_dust", "winsorise", 180.0, 32.0)]
