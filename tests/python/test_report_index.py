"""The published file holds the report's index: what the report prints comes out, and what does not is said."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from support import Published, report_edition


@pytest.fixture
def release(published: Published) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published tables, of the report's edition alone."""
    with report_edition(published.database) as connection:
        yield connection


def test_all_printed_totals_and_ranks_come_out(release) -> None:
    rows = release.execute(
        "select indicator, status, count(*), max(abs(difference)) from rpt_reconciliation "
        "where fact_id like 'table_%' group by all order by 1"
    ).fetchall()
    assert [row[:3] for row in rows] == [
        ("total_rank", "by_construction", 150),
        ("total_score", "by_construction", 150),
    ]
    assert rows[1][3] <= 0.05


def test_every_printed_figure_has_a_row(release) -> None:
    assert release.execute("select count(*), count(distinct fact_id) from rpt_reconciliation").fetchone() == (421, 421)


def test_primary_means_are_as_printed(release) -> None:
    means = dict(
        release.execute(
            "select indicator_code, round(avg(score), 1) from fct_indicator_scores where level = 1 group by all"
        ).fetchall()
    )
    assert means == {"infra": 32.1, "gov": 60.8, "industry": 64.3, "hospital": 57.4}


def test_tiers_have_their_printed_sizes(release) -> None:
    sizes = release.execute(
        "select tier_ordinal, count(*) from fct_city_scores join dim_tiers using (index_code, tier_code) group by all"
    ).fetchall()
    assert sorted(sizes) == [(1, 4), (2, 16), (3, 28), (4, 76), (5, 26)]


def test_one_cluster_is_reproduced_and_four_are_not(release) -> None:
    statuses = dict(
        release.execute(
            "select scope, status from rpt_reconciliation where indicator = 'gdp_weighted_score'"
        ).fetchall()
    )
    assert statuses == {
        "cluster:hc": "reproduced",
        "cluster:cy": "not_reproduced",
        "cluster:gba": "not_reproduced",
        "cluster:jjj": "not_reproduced",
        "cluster:yrd": "not_reproduced",
    }
    (harbin_changchun,) = release.execute(
        "select gdp_weighted_score from fct_cluster_scores where cluster_code = 'hc' and indicator_code = 'total'"
    ).fetchone()
    assert round(harbin_changchun, 1) == 58.3


def test_cluster_patterns_are_those_of_the_report(release) -> None:
    patterns = dict(release.execute("select cluster_code, pattern from dim_clusters").fetchall())
    assert patterns == {
        "yrd": "multi_centre",
        "jjj": "multi_centre",
        "gba": "multi_centre",
        "cy": "dual_core",
        "hc": "dual_core",
    }


def test_context_figures_are_kept_as_printed_and_not_computable(release) -> None:
    (not_computable,) = release.execute(
        "select count(*) from rpt_reconciliation where status = 'not_computable' and computed_value is null"
    ).fetchone()
    (published,) = release.execute(
        "select count(*) from fct_published_context join rpt_reconciliation using (fact_id) "
        "where status = 'not_computable' and value = published_value"
    ).fetchone()
    assert not_computable == published == 57
    ageing = release.execute(
        "select period, value from fct_published_context where indicator = 'population_65_share' order by period"
    ).fetchall()
    assert ageing == [
        ("2017", 11.4),
        ("2018", 11.9),
        ("2019", 12.6),
        ("2020", 13.5),
        ("2021", 14.2),
        ("2022", 14.9),
        ("2023", 15.4),
    ]
    days = dict(
        release.execute("select scope, value from fct_published_context where indicator = 'days_to_peak'").fetchall()
    )
    assert days == {"tier:tier1": 11, "tier:new_tier1": 14, "tier:tier2": 16, "tier:tier3": 18, "tier:tier4": 19}


def test_contributions_of_the_tertiaries_add_up(release) -> None:
    (worst,) = release.execute(
        """
        select max(abs(total_score - contribution)) from fct_city_scores join (
            select city_code, sum(contribution) as contribution from fct_indicator_scores where level = 3 group by all
        ) using (city_code)
        """
    ).fetchone()
    assert worst < 1e-9


@pytest.mark.parametrize(
    ("city_code", "indicator_code"),
    [("zhangzhou", "industry"), ("zhenjiang", "hospital_inter_app"), ("nantong", "hospital_inter_app")],
)
def test_highlights_named_in_the_text_are_found(release, city_code: str, indicator_code: str) -> None:
    found = release.execute(
        "select rank, total_rank, rank_lead from fct_city_highlights where city_code = ? and indicator_code = ?",
        [city_code, indicator_code],
    ).fetchall()
    assert len(found) == 1
    rank, total_rank, rank_lead = found[0]
    assert rank_lead == total_rank - rank >= 30


def test_framework_has_the_printed_shape_and_says_what_is_assumed(release) -> None:
    levels = release.execute("select level, count(*) from dim_indicators group by all order by 1").fetchall()
    assert levels == [(0, 1), (1, 4), (2, 18), (3, 50)]
    by_status = dict(
        release.execute(
            "select weight_status, round(sum(effective_weight), 9) from dim_indicators where level = 3 group by all"
        ).fetchall()
    )
    assert by_status == {"printed": 0.6, "assumed": 0.4}
    assert release.execute("select weight_status from dim_indicators where indicator_code = 'hospital'").fetchone() == (
        "derived",
    )


def test_every_place_that_shows_a_score_says_that_observations_are_reconstructed(release, published) -> None:
    assert release.execute(
        "select count(*) from rpt_city_index where provenance <> 'reconstructed' "
        "or notice_en not like 'Reconstructed observations%' or notice_en not like '%assumed%' "
        "or notice_zh not like '%重建%'"
    ).fetchone() == (0,)
    for table in ("fct_indicator_scores", "fct_city_scores", "dim_editions"):
        assert release.execute(f"select distinct provenance from {table}").fetchall() == [("reconstructed",)]
    (notice,) = release.execute("select notice from meta_release").fetchone()
    assert "Reconstructed observations, not the authors' data" in notice
    assert "Reconstructed observations, not the authors' data" in published.run.stdout
    (publisher,) = release.execute("select distinct publisher_zh from rpt_city_index").fetchone()
    assert publisher in published.run.stdout


def test_missing_city_parts_stay_null(release) -> None:
    outside = release.execute(
        "select count(*) from fct_city_scores where cluster_code is null and rank_in_cluster is null"
    ).fetchone()
    assert outside == (65,)


def test_what_rests_on_reconstructed_scores_is_never_called_reproduced(release) -> None:
    reproduced = release.execute(
        "select distinct indicator from rpt_reconciliation where status = 'reproduced' order by 1"
    ).fetchall()
    assert [row[0] for row in reproduced] == [
        "clusters_above_mean",
        "gdp_weighted_score",
        "member_count",
        "provinces_covered",
    ]
