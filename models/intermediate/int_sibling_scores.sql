with

indicators as (

    select * from {{ ref('int_indicators') }}

),

{# Every level of a tree below its root. -#}
{%- set levels = [ref('int_primary_scores'), ref('int_secondary_scores'), ref('int_tertiary_scores')] -%}
node_scores as (
{% for scores in levels %}
    select
        index_code,
        edition,
        city_code,
        indicator_code,
        score
    from {{ scores }}
    where scenario = 'published'
{%- if not loop.last %}
    union all
{%- endif %}
{%- endfor %}

),

siblings as (

    select
        node_scores.index_code,
        node_scores.edition,
        indicators.parent_code,
        node_scores.indicator_code,
        node_scores.city_code,
        node_scores.score
    from node_scores
    inner join indicators
        on
            node_scores.index_code = indicators.index_code
            and node_scores.edition = indicators.edition
            and node_scores.indicator_code = indicators.indicator_code

),

incomplete as (

    select distinct
        index_code,
        edition,
        parent_code,
        city_code
    from siblings
    where score is null

),

-- Complete cases only: what is said of a group is said of the same cities for every child.
complete_siblings as (

    select siblings.*
    from siblings
    left join incomplete
        on
            siblings.index_code = incomplete.index_code
            and siblings.edition = incomplete.edition
            and siblings.parent_code = incomplete.parent_code
            and siblings.city_code = incomplete.city_code
    where incomplete.city_code is null

),

ranges as (

    select
        index_code,
        edition,
        indicator_code,
        min(score) as least_score,
        max(score) as greatest_score
    from complete_siblings
    group by index_code, edition, indicator_code

),

-- Scores that are equal at the decimals at which scores are compared are no spread.
placed as (

    select
        complete_siblings.*,
        case
            when {{ comparable('ranges.greatest_score') }} > {{ comparable('ranges.least_score') }}
                then ranges.greatest_score - ranges.least_score
        end as score_range,
        case
            when {{ comparable('ranges.greatest_score') }} > {{ comparable('ranges.least_score') }}
                then
                    (complete_siblings.score - ranges.least_score)
                    / (ranges.greatest_score - ranges.least_score)
        end as place
    from complete_siblings
    inner join ranges
        on
            complete_siblings.index_code = ranges.index_code
            and complete_siblings.edition = ranges.edition
            and complete_siblings.indicator_code = ranges.indicator_code

),

means as (

    select
        index_code,
        edition,
        indicator_code,
        {{ stable_mean('place') }} as mean_place
    from placed
    group by index_code, edition, indicator_code

),

final as (

    select
        placed.index_code,
        placed.edition,
        placed.parent_code,
        placed.indicator_code,
        placed.city_code,
        placed.score_range,
        placed.place,
        placed.place - means.mean_place as place_deviation
    from placed
    inner join means
        on
            placed.index_code = means.index_code
            and placed.edition = means.edition
            and placed.indicator_code = means.indicator_code

)

select * from final
