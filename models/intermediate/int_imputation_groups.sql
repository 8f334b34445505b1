with

city_values as (

    select * from {{ ref('int_city_indicator_values') }}

),

indicators as (

    select * from {{ ref('int_scenario_indicators') }}

),

cities as (

    select * from {{ ref('stg_cities') }}

),

cluster_members as (

    select * from {{ ref('stg_cluster_members') }}

),

provisional_tiers as (

    select * from {{ ref('int_provisional_tiers') }}

),

-- Every city belongs to the nation; to a province, a cluster or a tier only where one is known.
final as (

    select
        city_values.scenario,
        city_values.index_code,
        city_values.edition,
        city_values.city_code,
        city_values.indicator_code,
        city_values.value,
        case
            when indicators.imputation in ('mean', 'province_mean', 'cluster_mean', 'tier_mean') then 'mean'
            else 'median'
        end as estimator,
        case
            when indicators.imputation in ('mean', 'median') then 'nation'
            when indicators.imputation in ('province_mean', 'province_median')
                then coalesce(cities.province_zh, cities.province_en)
            when indicators.imputation in ('cluster_mean', 'cluster_median') then cluster_members.cluster_code
            else provisional_tiers.tier_code
        end as group_code
    from city_values
    inner join indicators
        on
            city_values.scenario = indicators.scenario
            and city_values.index_code = indicators.index_code
            and city_values.edition = indicators.edition
            and city_values.indicator_code = indicators.indicator_code
    inner join cities
        on city_values.city_code = cities.city_code
    left join cluster_members
        on city_values.city_code = cluster_members.city_code
    left join provisional_tiers
        on
            city_values.scenario = provisional_tiers.scenario
            and city_values.index_code = provisional_tiers.index_code
            and city_values.edition = provisional_tiers.edition
            and city_values.city_code = provisional_tiers.city_code
    where indicators.imputation not in ('none', 'previous_edition', 'linear')

)

select * from final
