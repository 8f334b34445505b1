{%- set cell = ['scenario', 'index_code', 'edition', 'city_code', 'indicator_code'] -%}

with

city_values as (

    select * from {{ ref('int_city_indicator_values') }}

),

indicators as (

    select * from {{ ref('int_scenario_indicators') }}

),

editions as (

    select * from {{ ref('int_edition_settings') }}

),

denominated_values as (

    select * from {{ ref('int_denominated_values') }}

),

gaps as (

    select
        city_values.scenario,
        city_values.index_code,
        city_values.edition,
        city_values.city_code,
        city_values.indicator_code,
        city_values.denominator,
        indicators.imputation,
        editions.edition_time,
        editions.previous_edition,
        editions.is_synthetic
    from city_values
    inner join indicators
        on
            city_values.scenario = indicators.scenario
            and city_values.index_code = indicators.index_code
            and city_values.edition = indicators.edition
            and city_values.indicator_code = indicators.indicator_code
    inner join editions
        on
            city_values.index_code = editions.index_code
            and city_values.edition = editions.edition
    where
        city_values.value is null
        and indicators.imputation in ('previous_edition', 'linear')

),

-- What is known of the same city and indicator, in the same unit, in the index's other editions.
known_elsewhere as (

    select
        gaps.*,
        denominated_values.value as known_value,
        known_editions.edition_time as known_time,
        known_editions.edition = gaps.previous_edition as is_previous
    from gaps
    inner join denominated_values
        on
            gaps.index_code = denominated_values.index_code
            and gaps.city_code = denominated_values.city_code
            and gaps.indicator_code = denominated_values.indicator_code
            and gaps.denominator = denominated_values.denominator
    inner join editions as known_editions
        on
            denominated_values.index_code = known_editions.index_code
            and denominated_values.edition = known_editions.edition
            and gaps.is_synthetic = known_editions.is_synthetic
    where denominated_values.value is not null

),

nearest as (

    select
        *,
        max(case when known_time < edition_time then known_time end) over (partition by {{ cell | join(', ') }})
            as earlier_time,
        min(case when known_time > edition_time then known_time end) over (partition by {{ cell | join(', ') }})
            as later_time
    from known_elsewhere

),

neighbours as (

    select
        {{ cell | join(', ') }},
        imputation,
        edition_time,
        earlier_time,
        later_time,
        max(case when is_previous then known_value end) as previous_value,
        max(case when known_time = earlier_time then known_value end) as earlier_value,
        max(case when known_time = later_time then known_value end) as later_value
    from nearest
    group by {{ cell | join(', ') }}, imputation, edition_time, earlier_time, later_time

),

final as (

    select
        {{ cell | join(', ') }},
        case
            when imputation = 'previous_edition' then previous_value
            else
                earlier_value
                + (later_value - earlier_value)
                * (edition_time - earlier_time) / nullif(later_time - earlier_time, 0)
        end as estimate
    from neighbours

)

select * from final
