-- An indicator that no city has a value of counts for nothing, or rests on estimates alone.

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
        count(*) as city_count
    from indicator_scores
    where level = 3
    group by index_code, edition, indicator_code
    having max(coverage_share) = 0

)

select * from final
