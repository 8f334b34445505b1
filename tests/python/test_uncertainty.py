"""How sure the ranks are, as published: intervals, pairs and sensitivity, and that they follow from the scores."""

from __future__ import annotations

import math

import duckdb
import pytest
from support import Published, rows

from city_index.worlds.draws import published_ranks
from city_index.worlds.editions import EditionScores, rank_rows, read_editions, sensitivity_rows

pytestmark = pytest.mark.slow

REPORT = "index_code = 'medical_digital' and edition = '2020'"


@pytest.fixture(scope="module")
def build(published: Published):
    database = published.home / "warehouse" / "build" / "build.duckdb"
    with duckdb.connect(str(database), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def editions(build) -> dict[tuple[str, str], EditionScores]:
    def model(name: str) -> duckdb.DuckDBPyRelation:
        return build.table(f"intermediate.{name}")

    found = read_editions(
        settings=model("int_edition_settings"),
        nodes=model("int_scenario_indicators"),
        scores=model("int_tertiary_scores"),
        alternatives=model("int_alternative_scores"),
        ranks=model("int_upper_ranks"),
        tiers=model("int_city_tiers"),
    )
    return {edition.key: edition for edition in found}


def test_every_rank_at_the_two_upper_levels_has_three_intervals(published: Published) -> None:
    database = published.database
    ((count, draws, seeds),) = rows(
        database,
        "select count(*), count(distinct draw_count) filter (scenario <> 'leave_one_out'), count(distinct random_seed) "
        f"from fct_rank_intervals where {REPORT}",
    )
    assert (count, draws, seeds) == (150 * 5 * 3, 1, 1)
    assert rows(
        database,
        "select count(*) from fct_rank_intervals as intervals inner join fct_indicator_scores as scores "
        "using (index_code, edition, city_code, indicator_code) where intervals.rank <> scores.rank",
    ) == [(0,)]
    assert rows(
        database,
        "select count(*) from fct_rank_intervals where not (1 <= rank_p05 and rank_p05 <= rank_p50 and rank_p50 <= "
        "rank_p95) or not top10_share between 0 and 1 or own_tier_share not between 0 and 1 "
        "or above_next_share not between 0 and 1 or ranked_draw_count > draw_count",
    ) == [(0,)]
    assert rows(
        database, f"select distinct draw_count from fct_rank_intervals where {REPORT} and scenario = 'leave_one_out'"
    ) == [(72,)]
    ((seed,),) = rows(database, f"select random_seed from dim_editions where {REPORT}")
    assert rows(database, f"select distinct random_seed from fct_rank_intervals where {REPORT}") == [(seed,)]


def test_what_is_published_follows_from_the_published_scores_and_the_seed(published: Published, editions) -> None:
    edition = editions["medical_digital", "2020"]
    ((draw_count,),) = rows(
        published.database, f"select distinct draw_count from fct_rank_intervals where {REPORT} and scenario = 'method'"
    )
    made = {
        (row["scenario"], row["indicator_code"], row["city_code"]): row for row in rank_rows(edition, int(draw_count))
    }
    found = rows(
        published.database,
        "select scenario, indicator_code, city_code, rank_p05, rank_p95, top10_share, own_tier_share, above_next_share "
        f"from fct_rank_intervals where {REPORT}",
    )
    assert len(found) == len(made)
    for scenario, indicator, city, low, high, *shares in found:
        row = made[scenario, indicator, city]
        assert (row["rank_p05"], row["rank_p95"]) == (low, high)
        for name, share in zip(("top10_share", "own_tier_share", "above_next_share"), shares, strict=True):
            assert row[name] == share or (share is None and math.isnan(row[name]))


def test_a_city_that_is_nowhere_better_is_never_ahead_where_only_weights_differ(published: Published) -> None:
    """A city that another one equals or betters in every tertiary has no better interval than that."""
    ((pairs, wrong),) = rows(
        published.database,
        f"""
        with leaves as (
            select city_code, indicator_code, score from fct_indicator_scores where {REPORT} and level = 3
        ),
        dominated as (
            select uppers.city_code as upper_city, lowers.city_code as lower_city
            from leaves as uppers inner join leaves as lowers using (indicator_code)
            where uppers.city_code <> lowers.city_code
            group by all
            having bool_and(uppers.score >= lowers.score)
        ),
        intervals as (
            select * from fct_rank_intervals
            where {REPORT} and scenario = 'weights' and indicator_code = 'total'
        )
        select count(*), count(*) filter (
            uppers.rank_p05 > lowers.rank_p05 or uppers.rank_p50 > lowers.rank_p50 or uppers.rank_p95 > lowers.rank_p95
        )
        from dominated
        inner join intervals as uppers on dominated.upper_city = uppers.city_code
        inner join intervals as lowers on dominated.lower_city = lowers.city_code
        """,
    )
    assert pairs > 50
    assert wrong == 0


def test_cities_that_are_alike_in_a_primary_have_the_same_interval_there(published: Published) -> None:
    ((groups, wrong),) = rows(
        published.database,
        """
        with leaves as (
            select scores.city_code, secondaries.parent_code as primary_code,
                string_agg(scores.score::varchar, ',' order by scores.indicator_code) as profile
            from fct_indicator_scores as scores
            inner join dim_indicators as tertiaries using (index_code, edition, indicator_code)
            inner join dim_indicators as secondaries
                on secondaries.index_code = tertiaries.index_code and secondaries.edition = tertiaries.edition
                and secondaries.indicator_code = tertiaries.parent_code
            where scores.index_code = 'medical_digital' and scores.edition = '2020' and scores.level = 3
            group by all
        ),
        grouped as (
            select leaves.primary_code, leaves.profile, intervals.scenario, count(*) as city_count,
                count(distinct (rank_p05, rank_p50, rank_p95, top10_share)) as kinds
            from leaves
            inner join fct_rank_intervals as intervals
                on intervals.city_code = leaves.city_code and intervals.indicator_code = leaves.primary_code
            where intervals.edition = '2020'
            group by all
        )
        select count(*) filter (city_count > 1), count(*) filter (kinds > 1) from grouped
        """,
    )
    assert groups > 20
    assert wrong == 0


def test_pairs_follow_each_other_and_are_ties_below_nine_in_ten(published: Published) -> None:
    found = rows(
        published.database,
        "select upper_rank, lower_rank, in_order_share, is_tie_in_practice from fct_pair_robustness "
        f"where {REPORT} and scenario = 'weights' and indicator_code = 'total' order by upper_rank, lower_rank",
    )
    assert len(found) == 149
    assert all(upper <= lower for upper, lower, _share, _tie in found)
    assert all(tie == (share < 0.9) for _upper, _lower, share, tie in found)
    assert {tie for *_rest, tie in found} == {True, False}


def test_the_ranking_for_people_shows_the_interval_beside_every_rank(published: Published) -> None:
    assert rows(
        published.database,
        "select count(*) from rpt_city_index as report left join fct_rank_intervals as intervals "
        "on intervals.index_code = report.index_code and intervals.edition = report.edition "
        "and intervals.city_code = report.city_code and intervals.indicator_code = 'total' "
        "and intervals.scenario = 'weights' "
        "where report.total_rank is not null and (report.rank_p05 is distinct from intervals.rank_p05 "
        "or report.rank_p95 is distinct from intervals.rank_p95 or report.method_rank_p05 is null)",
    ) == [(0,)]
    ((low, high),) = rows(
        published.database, f"select rank_p05, rank_p95 from rpt_city_index where {REPORT} and total_rank = 10"
    )
    assert f"{low}-{high}" in published.run.stdout and "90 %" in published.run.stdout


def test_sensitivity_names_every_choice_and_converges_at_its_default_size(published: Published, editions) -> None:
    names = {
        (factor, indicator): can_vary
        for factor, indicator, can_vary in rows(
            published.database, f"select factor, indicator_code, can_vary from fct_sensitivity where {REPORT}"
        )
    }
    branches = {("weights", code): True for code in ("infra", "gov", "industry", "hospital")}
    others = {("normalisation", ""): True, ("aggregation", ""): True, ("missing_policy", ""): False}
    assert names == branches | others
    found = list(sensitivity_rows(editions["medical_digital", "2020"], 0.05, 8192))
    assert all(row["is_converged"] and row["half_width"] <= 0.05 for row in found)
    for row in found:
        assert row["first_order_low"] <= row["first_order"] <= row["first_order_high"] or not row["can_vary"]
        assert row["total_effect"] >= row["first_order"] - row["half_width"]
        if not row["can_vary"]:
            assert (row["first_order"], row["total_effect"]) == (0, 0)


def test_gaps_make_the_missing_policy_a_choice(editions) -> None:
    found = {row["factor"]: row for row in sensitivity_rows(editions["medical_digital", "demo"], 0.05, 256)}
    assert found["missing_policy"]["can_vary"] and found["missing_policy"]["total_effect"] > 0


@pytest.mark.parametrize("key", [("medical_digital", "2020"), ("medical_digital", "demo")])
def test_the_lifted_index_under_its_own_weights_and_means_has_the_published_ranks(editions, key) -> None:
    """The map onto 1..100 is one for all tertiaries, so that the worlds are worlds of the published index."""
    edition = editions[key]
    lifted = published_ranks(edition.tree, edition.lifted_scores)
    for code, published in edition.published.items():
        assert (lifted[code] == published).all(), code
