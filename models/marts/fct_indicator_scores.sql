with

indicators as (

    select * from {{ ref('int_indicators') }}

),

edition_dates as (

    select * from {{ ref('int_edition_dates') }}

),

-- Most observations are given, and have no rule.
ruled_observations as (

    select * from {{ ref('int_observations') }}
    where rule_code is not null

),

{# The levels of a tree, root first: what holds the scores of each, and the level above it. #}
{%- set levels = [
    ('totals', ref('int_total_scores'), none),
    ('primaries', ref('int_primary_scores'), 'totals'),
    ('secondaries', ref('int_secondary_scores'), 'primaries'),
    ('tertiaries', ref('int_tertiary_scores'), 'secondaries'),
] -%}
{%- for level, scores, parents in levels %}
placed_{{ level }} as (

    select
        scores.*,
        indicators.parent_code,
        indicators.level,
        indicators.weight,
        indicators.aggregation
    from {{ scores }} as scores
    inner join indicators
        on {{ same_key('scores', 'indicators', ['index_code', 'edition', 'indicator_code']) }}
    where scores.scenario = 'published'

),

{%- if parents is none %}

-- The points of the total that one point of a node's score is worth, walked from the root down. Below a parent without
-- a score nothing counts. Level by level, each a table of its own, so that an engine knows which of two is the smaller.
{{ level }} as (

    select
        *,
        case when score is not null then cast(1 as double) end as points_per_score,
        0 as log_share_count,
        0 as score_share_count
    from placed_{{ level }}

),
{% else %}

{{ level }} as (

    select
        placed_{{ level }}.*,
        {{ points_of_child(parents, 'placed_' ~ level) | indent(8) }} as points_per_score,
        {{ parents }}.log_share_count
        + case when {{ parents }}.aggregation = 'geometric' then 1 else 0 end as log_share_count,
        {{ parents }}.score_share_count
        + case when {{ parents }}.aggregation = 'harmonic' then 1 else 0 end as score_share_count
    from placed_{{ level }}
    inner join {{ parents }}
        on
            placed_{{ level }}.index_code = {{ parents }}.index_code
            and placed_{{ level }}.edition = {{ parents }}.edition
            and placed_{{ level }}.city_code = {{ parents }}.city_code
            and placed_{{ level }}.parent_code = {{ parents }}.indicator_code

),
{% endif %}
{%- endfor %}

all_levels as (

    select * from totals
    union all
    select * from primaries
    union all
    select * from secondaries
    union all
    select * from tertiaries

),

described as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        level,
        score,
        points_per_score * score as contribution,
        case
            when points_per_score * score is null then null
            when log_share_count > 0 and score_share_count > 0 then 'mixed'
            when log_share_count > 0 then 'log_share'
            when score_share_count > 0 then 'score_share'
            else 'exact'
        end as contribution_method,
        observed_tertiary_count / cast(tertiary_count as double) as coverage_share,
        child_coverage_share,
        weighted_coverage_share,
        imputed_tertiary_count > 0 as is_imputed,
        missing_reason,
        case
            when first_provenance = last_provenance then first_provenance
            when first_provenance is not null then 'mixed'
        end as provenance
    from all_levels

),

-- Ranked last, when rows are narrow: an engine carries all their columns through the sorting.
ranked as (

    select
        *,
        {{ descending_rank('score', ['index_code', 'edition', 'indicator_code']) }} as rank
    from described

),

final as (

    select
        ranked.*,
        case when ranked.provenance = 'derived' then ruled_observations.rule_code end as rule_code,
        edition_dates.is_synthetic
    from ranked
    inner join edition_dates
        on
            ranked.index_code = edition_dates.index_code
            and ranked.edition = edition_dates.edition
    left join ruled_observations
        on
            ranked.index_code = ruled_observations.index_code
            and ranked.edition = ruled_observations.edition
            and ranked.city_code = ruled_observations.city_code
            and ranked.indicator_code = ruled_observations.indicator_code

)

select * from final
