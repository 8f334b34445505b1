{{ config(materialized='view') }}

with

city_values as (

    select * from {{ ref('int_city_indicator_values') }}

),

estimates as (

    select * from {{ ref('int_group_estimates') }}
    union all
    select * from {{ ref('int_edition_estimates') }}

),

-- An estimate fills a gap and never replaces a value.
final as (

    select
        city_values.scenario,
        city_values.index_code,
        city_values.edition,
        city_values.city_code,
        city_values.indicator_code,
        coalesce(city_values.value, estimates.estimate) as value,
        case when city_values.value is null and estimates.estimate is null then city_values.missing_reason end
            as missing_reason,
        city_values.value is null and estimates.estimate is not null as is_imputed,
        case
            when city_values.value is null and estimates.estimate is not null then 'imputed'
            else city_values.provenance
        end as provenance
    from city_values
    left join estimates
        on
            city_values.scenario = estimates.scenario
            and city_values.index_code = estimates.index_code
            and city_values.edition = estimates.edition
            and city_values.city_code = estimates.city_code
            and city_values.indicator_code = estimates.indicator_code

)

select * from final
