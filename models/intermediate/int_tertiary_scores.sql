with

city_indicator_values as (

    select * from {{ ref('int_city_indicator_values') }}

),

indicators as (

    select * from {{ ref('int_indicators') }}

),

-- Under the normalisation 'score' the observed value already is the score on the indicator's scale.
final as (

    select
        city_indicator_values.index_code,
        city_indicator_values.edition,
        city_indicator_values.city_code,
        city_indicator_values.indicator_code,
        case when indicators.normalisation = 'score' then city_indicator_values.value end as score,
        cast(null as double) as used_weight,
        1 as tertiary_count,
        case when city_indicator_values.value is not null then 1 else 0 end as observed_tertiary_count,
        city_indicator_values.provenance as first_provenance,
        city_indicator_values.provenance as last_provenance
    from city_indicator_values
    inner join indicators
        on
            city_indicator_values.index_code = indicators.index_code
            and city_indicator_values.edition = indicators.edition
            and city_indicator_values.indicator_code = indicators.indicator_code

)

select * from final
