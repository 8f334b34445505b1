-- An index with more primaries than rpt_city_index has columns for shows only the heaviest there.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'dim_indicators'}}}) }}

with

indicators as (

    select * from {{ ref('dim_indicators') }}

),

final as (

    select
        index_code,
        edition,
        count(*) as primary_count
    from indicators
    where level = 1
    group by index_code, edition
    having count(*) > {{ var('report_primary_slots') }}

)

select * from final
