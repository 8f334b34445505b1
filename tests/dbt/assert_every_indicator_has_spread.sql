-- An indicator in which all cities are alike, or only one has a value, tells none from another and has no score; so has
-- one whose target, reference or maximum is no end of a scale.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_indicator_scores'}}}) }}

with

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

final as (

    select
        index_code,
        edition,
        indicator_code,
        missing_reason,
        count(*) as city_count
    from indicator_scores
    where
        missing_reason = 'no_spread'
        and level = 3
    group by index_code, edition, indicator_code, missing_reason

)

select * from final
