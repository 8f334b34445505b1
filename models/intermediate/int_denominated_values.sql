{{ config(materialized='view') }}

with

observations as (

    select * from {{ ref('int_observations') }}

),

indicators as (

    select * from {{ ref('int_indicators') }}

),

editions as (

    select * from {{ ref('int_edition_settings') }}

),

statistics as (

    select * from {{ ref('stg_statistics') }}

),

-- An indicator may change its denominator from edition to edition, and editions are compared under one method: so every
-- observation is divided by each denominator that its indicator has in any edition.
denominators as (

    select distinct
        index_code,
        indicator_code,
        coalesce(denominator, '') as denominator
    from indicators
    where is_leaf

),

edition_cities as (

    {{ cities_of_editions('observations') | indent(4) }}

),

statistic_years as (

    select
        edition_cities.index_code,
        edition_cities.edition,
        statistics.statistic_code,
        statistics.year,
        {{ year_preference(
            'edition_cities.index_code',
            'edition_cities.edition',
            'statistics.statistic_code',
            'statistics.year',
            'editions.edition_number'
        ) }} as preference
    from edition_cities
    inner join editions
        on
            edition_cities.index_code = editions.index_code
            and edition_cities.edition = editions.edition
    inner join statistics
        on edition_cities.city_code = statistics.city_code
    where
        statistics.value > 0
        and statistics.statistic_code in (select denominator from denominators)
    group by
        edition_cities.index_code,
        edition_cities.edition,
        statistics.statistic_code,
        statistics.year,
        editions.edition_number

),

divisors as (

    select
        statistic_years.index_code,
        statistic_years.edition,
        statistics.city_code,
        statistics.statistic_code,
        statistics.year,
        statistics.value
    from statistic_years
    inner join statistics
        on
            statistic_years.statistic_code = statistics.statistic_code
            and statistic_years.year = statistics.year
    where
        statistic_years.preference = 1
        and statistics.value > 0

),

final as (

    select
        observations.index_code,
        observations.edition,
        observations.city_code,
        observations.indicator_code,
        denominators.denominator,
        divisors.year as denominator_year,
        observations.value as observed_value,
        case
            when denominators.denominator = '' then observations.value
            else {{ finite('observations.value / divisors.value') }}
        end as value,
        observations.provenance,
        divisors.value as divisor
    from observations
    inner join denominators
        on
            observations.index_code = denominators.index_code
            and observations.indicator_code = denominators.indicator_code
    left join divisors
        on
            observations.index_code = divisors.index_code
            and observations.edition = divisors.edition
            and observations.city_code = divisors.city_code
            and denominators.denominator = divisors.statistic_code
    where observations.value is not null

)

select * from final
