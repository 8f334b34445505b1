-- A fraction of a maximum below zero, and a distance to a target or reference below the least value, turn the order of
-- the cities round: the greater value scores less.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'int_treated_values'}}}) }}

with

treated_values as (

    select * from {{ ref('int_treated_values') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

extents as (

    select
        treated_values.index_code,
        treated_values.edition,
        treated_values.indicator_code,
        indicators.normalisation,
        indicators.direction,
        indicators.norm_low,
        indicators.norm_high,
        min(indicators.direction * treated_values.value) as least_value,
        max(indicators.direction * treated_values.value) as greatest_value
    from treated_values
    inner join indicators
        on
            treated_values.index_code = indicators.index_code
            and treated_values.edition = indicators.edition
            and treated_values.indicator_code = indicators.indicator_code
    where treated_values.scenario = 'published'
    group by
        treated_values.index_code,
        treated_values.edition,
        treated_values.indicator_code,
        indicators.normalisation,
        indicators.direction,
        indicators.norm_low,
        indicators.norm_high

),

final as (

    select * from extents
    where
        (normalisation = 'fraction_of_max' and greatest_value < 0)
        or (normalisation = 'distance_to_target' and direction * norm_high < least_value)
        or (normalisation = 'distance_to_reference' and direction * norm_low < least_value)

)

select * from final
