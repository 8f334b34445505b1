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
        indicators.weight
    from scores
    inner join indicators
        on
            scores.index_code = indicators.index_code
            and scores.edition = indicators.edition
            and scores.indicator_code = indicators.indicator_code

),

-- The points of the total that one point of a node's score is worth, walked from the root down: within a parent, a
-- node is worth its weight over the weights that were used. Below a parent without a score nothing counts.
totals as (

    select
        *,
        case when score is not null then cast(1 as double) end as points_per_score
    from placed
    where level = 0

),

{% for children, parents in [('primaries', 'totals'), ('secondaries', 'primaries'), ('tertiaries', 'secondaries')] %}
{{ children }} as (

    select
        placed.*,
        case
            when {{ parents }}.score is not null
                then {{ parents }}.points_per_score * placed.weight / {{ parents }}.used_weight
            when {{ parents }}.points_per_score is not null then cast(0 as double)
        end as points_per_score
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
        observed_tertiary_count / cast(tertiary_count as double) as coverage_share,
        case
            when first_provenance = last_provenance then first_provenance
            when first_provenance is not null then 'mixed'
        end as provenance
    from all_levels

)

select * from final
