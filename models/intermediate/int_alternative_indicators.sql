with

indicators as (

    select *
    from {{ ref('int_scenario_indicators') }}
    where
        scenario = 'published'
        and is_leaf

),

alternatives as (

    select * from {{ ref('stg_normalisation_alternatives') }}

),

-- Every tertiary under every other normalisation that could as well have been chosen for it.
final as (

    select
        alternatives.alternative as scenario,
        indicators.index_code,
        indicators.edition,
        indicators.indicator_code,
        alternatives.alternative as normalisation,
        indicators.direction,
        cast(null as double) as norm_low,
        cast(null as double) as norm_high,
        indicators.scale_low,
        indicators.scale_high
    from indicators
    inner join alternatives
        on indicators.normalisation = alternatives.normalisation

)

select * from final
