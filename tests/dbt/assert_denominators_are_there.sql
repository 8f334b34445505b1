-- A value whose city has no statistic above zero to be divided by counts as missing.

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
        missing_reason = 'no_denominator'
        and level = 3
    group by index_code, edition, indicator_code, missing_reason

)

select * from final
