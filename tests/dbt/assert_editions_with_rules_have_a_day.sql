-- An edition whose label is no year, and that names no as-of date in seeds/editions.csv, takes no records.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'dim_editions'}}}) }}

with

editions as (

    select * from {{ ref('dim_editions') }}

),

rules as (

    select distinct index_code
    from {{ ref('dim_derivation_rules') }}

),

final as (

    select
        editions.index_code,
        editions.edition
    from editions
    inner join rules
        on editions.index_code = rules.index_code
    where editions.as_of_date is null

)

select * from final
