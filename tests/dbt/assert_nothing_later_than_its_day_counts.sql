-- Nothing dated after the as-of date of an edition, or of a row, enters it.

{{ config(meta={'dagster': {'ref': {'name': 'fct_derived_observations'}}}) }}

with

derived_observations as (

    select * from {{ ref('fct_derived_observations') }}

),

indicator_evidence as (

    select * from {{ ref('fct_indicator_evidence') }}

),

smart_hospitals as (

    select * from {{ ref('fct_city_smart_hospitals') }}

),

final as (

    select
        'fct_derived_observations' as table_name,
        city_code,
        as_of_date,
        newest_on
    from derived_observations
    where newest_on > as_of_date
    union all
    select
        'fct_indicator_evidence' as table_name,
        city_code,
        as_of_date,
        newest_on
    from indicator_evidence
    where newest_on > as_of_date
    union all
    select
        'fct_city_smart_hospitals' as table_name,
        city_code,
        as_of_date,
        last_assessed_on as newest_on
    from smart_hospitals
    where last_assessed_on > as_of_date

)

select * from final
