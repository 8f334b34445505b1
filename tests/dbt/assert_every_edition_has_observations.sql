-- A framework that no observation has come for publishes nothing; a code or label may be misspelt in one of the two.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'dim_editions'}}}) }}

with

editions as (

    select * from {{ ref('dim_editions') }}

),

final as (

    select
        index_code,
        edition
    from editions
    where city_count = 0

)

select * from final
