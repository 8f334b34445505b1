with

denominated_values as (

    select * from {{ ref('int_denominated_values') }}

),

indicators as (

    select * from {{ ref('int_scenario_indicators') }}

),

edition_cities as (

    {{ cities_of_editions(ref('int_observations')) | indent(4) }}

),

-- The grid comes first: every city meets every leaf, observed or not, so that no later step can lose a row.
grid as (

    select
        indicators.scenario,
        edition_cities.index_code,
        edition_cities.edition,
        edition_cities.city_code,
        indicators.indicator_code,
        coalesce(indicators.denominator, '') as denominator
    from edition_cities
    inner join indicators
        on
            edition_cities.index_code = indicators.index_code
            and edition_cities.edition = indicators.edition
    where indicators.is_leaf

),

final as (

    select
        grid.scenario,
        grid.index_code,
        grid.edition,
        grid.city_code,
        grid.indicator_code,
        grid.denominator,
        denominated_values.observed_value,
        denominated_values.value,
        case
            when denominated_values.observed_value is null then 'not_observed'
            when denominated_values.value is null then 'no_denominator'
        end as missing_reason,
        case when denominated_values.value is not null then denominated_values.provenance end as provenance
    from grid
    left join denominated_values
        on
            grid.index_code = denominated_values.index_code
            and grid.edition = denominated_values.edition
            and grid.city_code = denominated_values.city_code
            and grid.indicator_code = denominated_values.indicator_code
            and grid.denominator = denominated_values.denominator

)

select * from final
