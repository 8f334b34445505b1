with

treated_values as (

    select *
    from {{ ref('int_treated_values') }}
    where scenario = 'published'

),

indicators as (

    select * from {{ ref('int_alternative_indicators') }}

),

final as (

    select
        indicators.scenario,
        treated_values.index_code,
        treated_values.edition,
        treated_values.city_code,
        treated_values.indicator_code,
        treated_values.value,
        treated_values.missing_reason,
        treated_values.is_imputed,
        treated_values.provenance
    from treated_values
    inner join indicators
        on
            treated_values.index_code = indicators.index_code
            and treated_values.edition = indicators.edition
            and treated_values.indicator_code = indicators.indicator_code

)

select * from final
