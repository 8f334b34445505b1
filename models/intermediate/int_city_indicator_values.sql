with

observations as (

    select * from {{ ref('stg_observations') }}

),

indicators as (

    select * from {{ ref('int_indicators') }}

),

-- The cities of an edition are those with at least one observation in it.
edition_cities as (

    select distinct
        index_code,
        edition,
        city_code
    from observations
    where value is not null

),

-- The grid comes first: every city meets every leaf, observed or not, so that no later step can lose a row.
grid as (

    select
        edition_cities.index_code,
        edition_cities.edition,
        edition_cities.city_code,
        indicators.indicator_code
    from edition_cities
    inner join indicators
        on
            edition_cities.index_code = indicators.index_code
            and edition_cities.edition = indicators.edition
    where indicators.is_leaf

),

final as (

    select
        grid.index_code,
        grid.edition,
        grid.city_code,
        grid.indicator_code,
        observations.value,
        case when observations.value is not null then observations.provenance end as provenance
    from grid
    left join observations
        on
            grid.index_code = observations.index_code
            and grid.edition = observations.edition
            and grid.city_code = observations.city_code
            and grid.indicator_code = observations.indicator_code

)

select * from final
