-- A value that is no score in 0..100, or a score too large to be summed, counts as missing.

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
        missing_reason in ('out_of_range', 'too_large')
        and level = 3
    group by index_code, edition, indicator_code, missing_reason

)

select * from final
