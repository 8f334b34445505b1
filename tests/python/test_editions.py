"""Editions of an index beside each other: the older one stays as it was, and what changed between them is told.

Everything is asked of the home in ``editions_home``.
"""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import pytest
from editions_home import CITIES, EditionsHome
from recomputation import ROOT, recompute
from support import Published, rows, rows_of_edition

from city_index.settings import PROJECT_DIRECTORY

pytestmark = pytest.mark.slow

DROPPED = "infra_platform_emr_collection"

# What is published of an index, wherever it has cities, tiers and clusters.
MAIN_TABLES = {
    "dim_editions",
    "dim_indicators",
    "fct_indicator_scores",
    "fct_city_scores",
    "fct_tier_scores",
    "fct_cluster_scores",
    "fct_city_highlights",
    "rpt_city_index",
}


def test_the_page_about_new_editions_gives_two_editions(editions: EditionsHome) -> None:
    database = editions.published
    assert rows(
        database,
        "select edition, city_count, scored_city_count from dim_editions where index_code = 'medical_digital' "
        "order by edition",
    ) == [("2020", 150, 150), ("2021", 151, 151), ("demo", 31, 31)]
    newer = rows_of_edition(database, "medical_digital", "2021")
    assert {table for table, found in newer.items() if found} >= MAIN_TABLES
    assert rows(database, "select count(*) from meta_quarantine") == [(0,)]
    weights = dict(rows(database, "select edition, weight from dim_indicators where indicator_code = 'infra'"))
    assert weights == {"2020": pytest.approx(0.35), "2021": pytest.approx(0.5 / 1.15), "demo": pytest.approx(0.35)}
    assert rows(database, "select round(total_score, 9) from fct_city_scores where city_code = 'sansha'") == [(42.0,)]
    assert "2021" in editions.printed and "三沙" in editions.printed


def test_a_newer_edition_leaves_every_row_of_the_older_one_as_it_was(
    editions: EditionsHome, published: Published
) -> None:
    before = rows_of_edition(published.database, "medical_digital", "2020")
    assert {table for table, found in before.items() if found} >= MAIN_TABLES | {"rpt_reconciliation"}
    assert rows_of_edition(editions.published, "medical_digital", "2020") == before
    # An edition is compared with the one before, so a newer one gives the older one no change.
    assert before["fct_score_changes"] == []


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def recomputed_totals(framework: list[dict[str, str]], values: list[dict[str, str]]) -> dict[str, float]:
    """The total of each city by the recomputation in plain Python, as one edition."""
    leaves = {row["indicator_code"] for row in framework} - {row["parent_code"] for row in framework}
    results = recompute(
        [{**row, "edition": "1"} for row in framework],
        [{**row, "edition": "1"} for row in values if row["indicator_code"] in leaves],
    )
    return {key[-2]: result.score for key, result in results.items() if key[-1] == ROOT}


def test_changes_of_the_report_agree_with_the_recomputation(editions: EditionsHome) -> None:
    """The dropped leaf is all that the editions differ in beside a weight and the values."""
    old_framework = read(PROJECT_DIRECTORY / "seeds" / "frameworks.csv")
    new_framework = read(editions.checkout / "frameworks_2021.csv")
    old_values = read(PROJECT_DIRECTORY / "seeds" / "observations.csv")
    new_values = read(editions.checkout / "observations_2021.csv")
    common = [row for row in old_framework if row["indicator_code"] != DROPPED]
    steps = [
        recomputed_totals(framework, values)
        for framework, values in (
            (old_framework, old_values),
            (common, old_values),
            (common, new_values),
            (new_framework, new_values),
        )
    ]
    found = rows(
        editions.published,
        "select city_code, previous_edition, previous_score, score, data_effect, weight_effect, structure_effect, "
        "is_split, previous_rank - rank = rank_change from fct_score_changes "
        "where index_code = 'medical_digital' and edition = '2021'",
    )
    assert len(found) == 150
    for city, previous_edition, previous_score, score, data, weight, structure, is_split, is_rank_right in found:
        before, common_before, common_now, now = (totals[city] for totals in steps)
        assert (previous_edition, is_split, is_rank_right) == ("2020", True, True)
        assert (previous_score, score) == pytest.approx((before, now), abs=1e-9)
        # The new tree is the common one, so the structure's effect is that of the dropped leaf alone.
        expected = (common_now - common_before, now - common_now, common_before - before)
        assert (data, weight, structure) == pytest.approx(expected, abs=1e-9), city
    assert sum(abs(row[6]) > 0.01 for row in found) > 50


def test_without_a_change_of_structure_its_effect_is_exactly_zero(editions: EditionsHome) -> None:
    found = rows(
        editions.published,
        "select edition, previous_edition, city_code, data_effect, weight_effect, structure_effect, is_split "
        "from fct_score_changes where index_code = 'steady'",
    )
    assert len(found) == 12
    assert {(row[0], row[1]) for row in found} == {("10", "9"), ("11", "10")}
    assert all(row[5] == 0 and row[6] for row in found)
    assert all(row[4] != 0 for row in found if row[0] == "10")
    assert all(row[4] == 0 for row in found if row[0] == "11")
    effects = {(row[0], row[2]): row[3:5] for row in found}
    # Beijing in 9: ps = 3 / (1/10 + 2/60) = 22.5; in 10: 3 / (1/20 + 2/40) = 30, with a at 5: 7 / (5/20 + 2/40).
    before, new_data = 22.5**0.75 * 5**0.25, 30**0.75 * 15**0.25
    new_weights = (7 / (5 / 20 + 2 / 40)) ** 0.5 * 15**0.5
    assert effects["10", "beijing"] == pytest.approx((new_data - before, new_weights - new_data), abs=1e-9)
    # Guangzhou and Hangzhou stayed as they were.
    assert effects["11", "guangzhou"] == effects["11", "hangzhou"] == (0, 0)


def test_where_nothing_is_common_all_change_is_one_of_structure(editions: EditionsHome) -> None:
    found = rows(
        editions.published,
        "select score_change, data_effect, weight_effect, structure_effect, is_split from fct_score_changes "
        "where index_code = 'methods'",
    )
    assert len(found) > 3
    assert all(row[1:] == (0, 0, row[0], False) for row in found)


def newest_method(editions: EditionsHome, index_code: str, edition: str) -> dict[tuple[str, str], tuple]:
    """The scores of an edition under the newest one's method, as the warehouse has them, with why one is missing."""
    with duckdb.connect(str(editions.build), read_only=True) as connection:
        found = connection.execute(
            " union all ".join(
                "select city_code, indicator_code, score, missing_reason "
                f"from intermediate.int_{level}_scores "
                f"where scenario = 'newest_method' and index_code = '{index_code}' and edition = '{edition}'"
                for level in ("total", "primary", "secondary", "tertiary")
            )
        ).fetchall()
    return {(city, code): (score, reason) for city, code, score, reason in found}


def test_the_older_edition_under_the_newest_method_agrees_with_the_recomputation(editions: EditionsHome) -> None:
    expected = recomputed_totals(
        read(editions.checkout / "frameworks_2021.csv"), read(PROJECT_DIRECTORY / "seeds" / "observations.csv")
    )
    found = newest_method(editions, "medical_digital", "2020")
    totals = {city: score for (city, code), (score, _reason) in found.items() if code == ROOT}
    assert len(totals) == 150
    assert totals == pytest.approx(expected, abs=1e-9)
    published = dict(
        rows(editions.published, "select city_code, total_score from fct_city_scores where edition = '2020'")
    )
    assert sum(abs(published[city] - totals[city]) > 0.01 for city in totals) > 100


def test_the_older_edition_under_the_newest_method_is_its_data_landed_with_that_framework(
    editions: EditionsHome,
) -> None:
    """Every choice of a leaf and a node is taken from the newest edition, and every value from the older one."""
    found = newest_method(editions, "methods", "1")
    twin = rows(
        editions.published,
        "select city_code, indicator_code, score, missing_reason from fct_indicator_scores where index_code = 'twin'",
    )
    assert found == {(city, code): (score, reason) for city, code, score, reason in twin}
    assert len(found) == 6 * 10
    assert len({score for score, _reason in found.values()}) > 20
    # The city that ranks last in the leaf of percentiles has no harmonic mean above it.
    assert {reason for _score, reason in found.values()} == {None, "not_observed", "not_positive"}
    assert [found[city, "q"][1] for city in CITIES] == ["not_positive", *[None] * 5]
    assert all(found[city, ROOT][0] is not None for city in CITIES)
