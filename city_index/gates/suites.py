"""What the gates expect, as data: batches of rows and the expectations on them.

What belongs here: the claims, their severity and the queries that make a batch. What does not: Great Expectations
itself, which takes seconds to import; the worker turns these into its expectations.

A batch is a query, so that a claim about a whole (a complete grid, weights that add up) becomes a claim about a
column and every offender is a row with a name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from city_index.checks import CRITICAL, WARNING
from city_index.contracts import contracts

LANDED = "landed"
RAW = "raw"
MARTS = "marts"

# The last release, attached for the batches that compare with it.
LAST_RELEASE = "last_release"

# The claim whose failure means that there is nothing to publish, rather than that something is wrong.
INPUT_IS_THERE = "observations_are_there"

# The claims that a person may waive for one run, where cities or editions are meant to go.
REMOVALS = ("no_city_is_lost_since_the_last_release", "no_edition_is_lost_since_the_last_release")


@dataclass(frozen=True)
class ValueSet:
    """A set of allowed values that a query gives when the gate runs."""

    query: str


@dataclass(frozen=True)
class Claim:
    """One expectation on a batch.

    Attributes:
        name: the claim in words, unique among all checks.
        expectation: the class name in ``great_expectations.expectations``.
        arguments: its arguments; a ValueSet is replaced by the values its query gives.
        severity: critical stops publishing, warning is recorded.
        threshold: what is expected, for people.
    """

    name: str
    expectation: str
    arguments: dict[str, Any]
    severity: str
    threshold: str


@dataclass(frozen=True)
class Batch:
    """Rows to check and what is claimed of them.

    Attributes:
        name: unique within the gate.
        asset: the table or file the claims are about.
        query: gives the rows; in the raw gate over the seeds as text with their file row, in the marts gate over the
            build, with the last release attached as ``last_release``.
        identifiers: columns that name an offending row.
        claims: the expectations.
        needs: a relation or database that the query cannot do without; the batch is skipped where there is none.
    """

    name: str
    asset: str
    query: str
    identifiers: tuple[str, ...]
    claims: tuple[Claim, ...] = field(default_factory=tuple)
    needs: str = ""


# The same range that landed rows are held to.
_SCORE_RANGE = contracts()["observations"].column("value").score_range

_NUMBER = "case when abs(try_cast({column} as double)) < 1e300 then try_cast({column} as double) end"

# What is wrong with the shipped trees, by the row of frameworks.csv; made before the raw gate runs.
TREE_FAULTS = "framework_tree_faults"

# A leaf is a node that no other node names as its parent.
_LEAVES = """
    select index_code, edition, indicator_code, coalesce(nullif(normalisation, ''), 'score') as normalisation
    from frameworks as nodes
    where not exists (
        select 1 from frameworks as children
        where children.index_code = nodes.index_code
            and children.edition = nodes.edition
            and children.parent_code = nodes.indicator_code
    )
"""

RAW_BATCHES: tuple[Batch, ...] = (
    Batch(
        name="observations",
        asset="observations.csv",
        query=f"""
            with leaves as ({_LEAVES})
            select
                observations.file_row,
                observations.city_code,
                observations.indicator_code,
                concat_ws('/', observations.index_code, observations.edition, observations.indicator_code)
                    as indicator_key,
                observations.value as value_text,
                {_NUMBER.format(column="observations.value")} as finite_value,
                case when coalesce(leaves.normalisation, 'score') = 'score'
                    then {_NUMBER.format(column="observations.value")} end as score_value
            from observations
            left join leaves using (index_code, edition, indicator_code)
            order by file_row
        """,
        identifiers=("file_row", "city_code", "indicator_code", "value_text"),
        claims=(
            Claim(
                INPUT_IS_THERE,
                "ExpectTableRowCountToBeBetween",
                {"min_value": 1},
                CRITICAL,
                "at least one row",
            ),
            Claim(
                "observed_values_are_finite_numbers",
                "ExpectColumnValuesToNotBeNull",
                {"column": "finite_value"},
                CRITICAL,
                "a finite number in every row",
            ),
            Claim(
                "observed_scores_lie_on_their_scale",
                "ExpectColumnValuesToBeBetween",
                {"column": "score_value", "min_value": _SCORE_RANGE[0], "max_value": _SCORE_RANGE[1]},
                CRITICAL,
                f"values from {_SCORE_RANGE[0]} to {_SCORE_RANGE[1]}",
            ),
            Claim(
                "observed_cities_are_known",
                "ExpectColumnValuesToBeInSet",
                {"column": "city_code", "value_set": ValueSet("select city_code from cities")},
                CRITICAL,
                "codes of cities.csv",
            ),
            Claim(
                "observed_indicators_are_known_leaves",
                "ExpectColumnValuesToBeInSet",
                {
                    "column": "indicator_key",
                    "value_set": ValueSet(
                        f"select concat_ws('/', index_code, edition, indicator_code) from ({_LEAVES})"
                    ),
                },
                CRITICAL,
                "leaves of frameworks.csv",
            ),
        ),
    ),
    Batch(
        name="observation_grid",
        asset="observations.csv",
        query=f"""
            with leaves as ({_LEAVES}),
            edition_cities as (select distinct index_code, edition, city_code from observations)
            select
                edition_cities.index_code,
                edition_cities.edition,
                edition_cities.city_code,
                leaves.indicator_code,
                min(observations.file_row) as file_row
            from edition_cities
            inner join leaves using (index_code, edition)
            left join observations using (index_code, edition, city_code, indicator_code)
            group by all
            order by all
        """,
        identifiers=("index_code", "edition", "city_code", "indicator_code"),
        claims=(
            Claim(
                "shipped_observations_are_a_complete_grid",
                "ExpectColumnValuesToNotBeNull",
                {"column": "file_row"},
                CRITICAL,
                "a row for every city and leaf",
            ),
        ),
    ),
    Batch(
        name="printed_cities",
        asset="observations.csv",
        query="""
            select
                published_city_scores.index_code,
                published_city_scores.edition,
                published_city_scores.city_code,
                min(observations.file_row) as observed_file_row
            from published_city_scores
            left join observations using (index_code, edition, city_code)
            group by all
            order by all
        """,
        identifiers=("index_code", "edition", "city_code"),
        claims=(
            Claim(
                "no_printed_city_is_without_observations",
                "ExpectColumnValuesToNotBeNull",
                {"column": "observed_file_row"},
                CRITICAL,
                "observations of every city the report prints",
            ),
        ),
    ),
    Batch(
        name="framework_nodes",
        asset="frameworks.csv",
        query=f"""
            select
                file_row,
                index_code,
                edition,
                indicator_code,
                weight as weight_text,
                {_NUMBER.format(column="weight")} as finite_weight
            from frameworks
            order by file_row
        """,
        identifiers=("file_row", "indicator_code", "weight_text"),
        claims=(
            Claim(
                "weights_are_finite_numbers",
                "ExpectColumnValuesToNotBeNull",
                {"column": "finite_weight"},
                CRITICAL,
                "a finite number in every row",
            ),
            Claim(
                "weights_are_positive",
                "ExpectColumnValuesToBeBetween",
                {"column": "finite_weight", "min_value": 0, "strict_min": True},
                CRITICAL,
                "weights above 0",
            ),
        ),
    ),
    Batch(
        name="framework_trees",
        asset="frameworks.csv",
        query=f"""
            select file_row, index_code, edition, indicator_code, fault
            from frameworks
            left join {TREE_FAULTS} using (file_row)
            order by file_row, fault
        """,
        identifiers=("file_row", "indicator_code", "fault"),
        claims=(
            Claim(
                "frameworks_are_trees_that_can_be_computed",
                "ExpectColumnValuesToBeNull",
                {"column": "fault"},
                CRITICAL,
                "sound trees and choices that fit each other",
            ),
        ),
    ),
    Batch(
        name="framework_siblings",
        asset="frameworks.csv",
        query="""
            select
                index_code,
                edition,
                parent_code,
                round(100 * sum(try_cast(weight as double)), 6) as weight_percent
            from frameworks
            where coalesce(parent_code, '') <> ''
            group by all
            order by all
        """,
        identifiers=("index_code", "edition", "parent_code"),
        claims=(
            Claim(
                "shipped_weights_of_siblings_sum_to_100_percent",
                "ExpectColumnValuesToBeBetween",
                {"column": "weight_percent", "min_value": 100 - 1e-6, "max_value": 100 + 1e-6},
                CRITICAL,
                "100 % under every parent",
            ),
        ),
    ),
    Batch(
        name="statistics",
        asset="statistics.csv",
        query=f"""
            select
                file_row,
                city_code,
                year,
                statistic_code,
                value as value_text,
                {_NUMBER.format(column="value")} as finite_value
            from statistics
            order by file_row
        """,
        identifiers=("file_row", "city_code", "value_text"),
        claims=(
            Claim(
                "statistics_are_finite_numbers",
                "ExpectColumnValuesToNotBeNull",
                {"column": "finite_value"},
                CRITICAL,
                "a finite number in every row",
            ),
            Claim(
                "statistics_are_positive",
                "ExpectColumnValuesToBeBetween",
                {"column": "finite_value", "min_value": 0, "strict_min": True},
                CRITICAL,
                "values above 0",
            ),
        ),
    ),
    Batch(
        name="weighted_cities",
        asset="statistics.csv",
        query="""
            select
                editions.index_code,
                editions.edition,
                observed.city_code,
                min(statistics.value) as value_text
            from editions
            inner join (select distinct index_code, edition, city_code from observations) as observed
                using (index_code, edition)
            left join statistics
                on statistics.city_code = observed.city_code
                and statistics.statistic_code = editions.weighting_statistic_code
                and statistics.year = editions.weighting_year
            group by all
            order by all
        """,
        identifiers=("index_code", "edition", "city_code"),
        claims=(
            Claim(
                "every_observed_city_has_the_weighting_statistic",
                "ExpectColumnValuesToNotBeNull",
                {"column": "value_text"},
                WARNING,
                "the edition's statistic for every city",
            ),
        ),
    ),
)

# The score scale of an edition: known where every leaf is held to one. It reaches down to 0 where a missing child
# counts as that.
_SCALES = """
    select
        index_code,
        edition,
        min(case when level = 3 then scale_low when missing_policy = 'zero' then 0 end) as scale_low,
        max(case when level = 3 then scale_high when missing_policy = 'zero' then 0 end) as scale_high
    from dim_indicators
    group by all
    having bool_and(
        level < 3 or normalisation in ('score', 'min_max', 'goalposts', 'log_goalposts', 'percentile_rank')
    )
"""

MARTS_BATCHES: tuple[Batch, ...] = (
    Batch(
        name="city_totals",
        asset="fct_city_scores",
        query=f"""
            with scales as ({_SCALES}),
            ranked as (
                select *, round(total_score, 9) as compared_score
                from fct_city_scores
            ),
            counted as (
                select
                    index_code,
                    edition,
                    compared_score,
                    count(*) as tie_count
                from ranked
                where compared_score is not null
                group by all
            ),
            expected as (
                select
                    index_code,
                    edition,
                    compared_score,
                    1 + coalesce(sum(tie_count) over (
                        partition by index_code, edition
                        order by compared_score desc
                        rows between unbounded preceding and 1 preceding
                    ), 0) as expected_rank
                from counted
            )
            select
                ranked.index_code,
                ranked.edition,
                ranked.city_code,
                ranked.total_rank,
                cast(expected.expected_rank as integer) as expected_rank,
                case when scales.scale_high is not null
                    then (ranked.total_score - scales.scale_low) / (scales.scale_high - scales.scale_low) end
                    as scale_position,
                -- A demonstration has the records that it has.
                case when not ranked.is_synthetic then ranked.coverage_share end as coverage_share,
                ranked.status
            from ranked
            left join expected using (index_code, edition, compared_score)
            left join scales using (index_code, edition)
            order by 1, 2, 3
        """,
        identifiers=("index_code", "edition", "city_code"),
        claims=(
            Claim(
                "ranks_are_a_permutation_with_ties",
                "ExpectColumnPairValuesToBeEqual",
                {"column_A": "total_rank", "column_B": "expected_rank", "ignore_row_if": "both_values_are_missing"},
                CRITICAL,
                "rank = 1 + cities with a higher total",
            ),
            Claim(
                "totals_lie_on_the_scale_of_their_index",
                "ExpectColumnValuesToBeBetween",
                {"column": "scale_position", "min_value": -1e-9, "max_value": 1 + 1e-9},
                CRITICAL,
                "totals within the scale of the indicators",
            ),
            Claim(
                "most_of_each_city_is_observed",
                "ExpectColumnValuesToBeBetween",
                {"column": "coverage_share", "min_value": 0.5},
                WARNING,
                "at least half of the tertiaries observed",
            ),
            Claim(
                "every_city_is_scored",
                "ExpectColumnValuesToNotBeInSet",
                {"column": "status", "value_set": ["not_scored"]},
                WARNING,
                "a total for every city",
            ),
        ),
    ),
    Batch(
        name="total_distributions",
        asset="fct_city_scores",
        query=f"""
            with scales as ({_SCALES})
            select
                scores.index_code,
                scores.edition,
                stddev_samp(scores.total_score) as standard_deviation,
                count(distinct round(scores.total_score, 9)) / nullif(count(scores.total_score), 0)::double
                    as distinct_share,
                (avg(scores.total_score) - any_value(scales.scale_low))
                / nullif(any_value(scales.scale_high) - any_value(scales.scale_low), 0) as mean_position
            from fct_city_scores as scores
            left join scales using (index_code, edition)
            group by all
            having count(scores.total_score) > 1
            order by 1, 2
        """,
        identifiers=("index_code", "edition"),
        claims=(
            Claim(
                "totals_are_spread",
                "ExpectColumnValuesToBeBetween",
                {"column": "standard_deviation", "min_value": 0, "strict_min": True},
                WARNING,
                "a standard deviation above 0",
            ),
            Claim(
                "few_totals_are_tied",
                "ExpectColumnValuesToBeBetween",
                {"column": "distinct_share", "min_value": 0.5},
                WARNING,
                "at least half of the totals distinct",
            ),
            Claim(
                "the_mean_of_the_totals_is_not_at_an_end_of_the_scale",
                "ExpectColumnValuesToBeBetween",
                {"column": "mean_position", "min_value": 0.1, "max_value": 0.9},
                WARNING,
                "a mean between 10 % and 90 % of the scale",
            ),
        ),
    ),
    Batch(
        name="cluster_weights",
        asset="fct_cluster_scores",
        query="""
            select scores.index_code, scores.edition, scores.cluster_code, scores.city_count, scores.weighted_city_count
            from fct_cluster_scores as scores
            inner join dim_indicators as indicators using (index_code, edition, indicator_code)
            where indicators.level = 0
            order by 1, 2, 3
        """,
        identifiers=("index_code", "edition", "cluster_code"),
        claims=(
            Claim(
                "every_member_of_a_cluster_has_the_weighting_statistic",
                "ExpectColumnPairValuesToBeEqual",
                {"column_A": "weighted_city_count", "column_B": "city_count"},
                WARNING,
                "as many weighted as scored members",
            ),
        ),
    ),
    Batch(
        name="cities_since_last_release",
        asset="fct_city_scores",
        query="""
            with sizes as (
                select index_code, edition, count(total_rank) as ranked_city_count
                from last_release.fct_city_scores
                group by all
            )
            select
                last_scores.index_code,
                last_scores.edition,
                last_scores.city_code,
                scores.city_code as still_published,
                abs(scores.total_score - last_scores.total_score) as score_movement,
                abs(scores.total_rank - last_scores.total_rank) / nullif(sizes.ranked_city_count, 0)::double
                    as rank_movement_share,
                scores.coverage_share - last_scores.coverage_share as coverage_change
            from last_release.fct_city_scores as last_scores
            inner join sizes using (index_code, edition)
            left join fct_city_scores as scores using (index_code, edition, city_code)
            order by 1, 2, 3
        """,
        identifiers=("index_code", "edition", "city_code"),
        needs=LAST_RELEASE,
        claims=(
            Claim(
                "no_city_is_lost_since_the_last_release",
                "ExpectColumnValuesToNotBeNull",
                {"column": "still_published"},
                CRITICAL,
                "every city of the last release",
            ),
            Claim(
                "totals_moved_little_since_the_last_release",
                "ExpectColumnValuesToBeBetween",
                {"column": "score_movement", "max_value": 10, "mostly": 0.95},
                WARNING,
                "95 % of the totals moved by at most 10 points",
            ),
            Claim(
                "ranks_moved_little_since_the_last_release",
                "ExpectColumnValuesToBeBetween",
                {"column": "rank_movement_share", "max_value": 0.25, "mostly": 0.95},
                WARNING,
                "95 % of the ranks moved by at most a quarter of the cities",
            ),
            Claim(
                "coverage_did_not_shrink_since_the_last_release",
                "ExpectColumnValuesToBeBetween",
                {"column": "coverage_change", "min_value": -1e-9},
                WARNING,
                "no city with less observed than before",
            ),
        ),
    ),
    Batch(
        name="editions_since_last_release",
        asset="dim_editions",
        query="""
            select
                last_editions.index_code,
                last_editions.edition,
                editions.edition as still_published
            from last_release.dim_editions as last_editions
            left join dim_editions as editions using (index_code, edition)
            order by 1, 2
        """,
        identifiers=("index_code", "edition"),
        needs=LAST_RELEASE,
        claims=(
            Claim(
                "no_edition_is_lost_since_the_last_release",
                "ExpectColumnValuesToNotBeNull",
                {"column": "still_published"},
                CRITICAL,
                "every edition of the last release",
            ),
        ),
    ),
)
