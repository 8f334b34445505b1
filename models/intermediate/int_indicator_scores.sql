with

indicators as (

    select * from {{ ref('int_indicators') }}

),

scores as (

    select * from {{ ref('int_total_scores') }}
    union all
    select * from {{ ref('int_primary_scores') }}
    union all
    select * from {{ ref('int_secondary_scores') }}
    union all
    select * from {{ ref('int_tertiary_scores') }}

),

placed as (

    select
        scores.*,
        indicators.parent_code,
        indicators.level,
        indicators.weight,
        indicators.aggregation
    from scores
    inner join indicators
        on
            scores.index_code = indicators.index_code
            and scores.edition = indicators.edition
            and scores.indicator_code = indicators.indicator_code
    where scores.scenario = 'published'

),

-- The points of the total that one point of a node's score is worth, walked from the root down. Below a parent without
-- a score nothing counts.
totals as (

    select
        *,
        case when score is not null then cast(1 as double) end as points_per_score,
        0 as log_share_count,
        0 as score_share_count
    from placed
    where level = 0

),

{% for children, parents in [('primaries', 'totals'), ('secondaries', 'primaries'), ('tertiaries', 'secondaries')] %}
{{ children }} as (

    select
        placed.*,
        {{ points_of_child(parents, 'placed') | indent(8) }} as points_per_score,
        {{ parents }}.log_share_count
        + case when {{ parents }}.aggregation = 'geometric' then 1 else 0 end as log_share_count,
        {{ parents }}.score_share_count
        + case when {{ parents }}.aggregation = 'harmonic' then 1 else 0 end as score_share_count
    from placed
    inner join {{ parents }}
        on
            placed.index_code = {{ parents }}.index_code
            and placed.edition = {{ parents }}.edition
            and placed.city_code = {{ parents }}.city_code
            and placed.parent_code = {{ parents }}.indicator_code

),

{% endfor -%}

all_levels as (

    select * from totals
    union all
    select * from primaries
    union all
    select * from secondaries
    union all
    select * from tertiaries

),

final as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        level,
        score,
        {{ descending_rank('score', ['index_code', 'edition', 'indicator_code']) }} as rank,
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

)

select * from final
