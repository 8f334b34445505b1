{#- The indicators of which cities have no score for one of the given reasons, counted: the body of the tests that name
    each trap. Leaves fall into some of them, and computed nodes into others. -#}
{% macro indicators_without_scores(reasons, of_leaves) -%}
with

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

final as (

    select
        indicator_scores.index_code,
        indicator_scores.edition,
        indicator_scores.indicator_code,
        indicator_scores.missing_reason,
        count(*) as city_count
    from indicator_scores
    inner join indicators
        on
            indicator_scores.index_code = indicators.index_code
            and indicator_scores.edition = indicators.edition
            and indicator_scores.indicator_code = indicators.indicator_code
    where
        indicator_scores.missing_reason in ('{{ reasons | join("', '") }}')
        and indicators.normalisation is {{ 'not null' if of_leaves else 'null' }}
    group by
        indicator_scores.index_code,
        indicator_scores.edition,
        indicator_scores.indicator_code,
        indicator_scores.missing_reason

)

select * from final
{%- endmacro %}
