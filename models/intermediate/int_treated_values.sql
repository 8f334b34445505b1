{{ config(materialized='view') }}

with

imputed_values as (

    select * from {{ ref('int_imputed_values') }}

),

indicators as (

    select * from {{ ref('int_scenario_indicators') }}

),

winsorised_bounds as (

    select * from {{ ref('int_winsorised_bounds') }}

),

treated as (

    select
        imputed_values.*,
        indicators.treatment,
        case
            when indicators.treatment = 'log'
                then case when imputed_values.value > 0 then ln(imputed_values.value) end
            when winsorised_bounds.indicator_code is not null and imputed_values.value is not null
                then
                    least(
                        greatest(imputed_values.value, winsorised_bounds.low_bound),
                        winsorised_bounds.high_bound
                    )
            else imputed_values.value
        end as treated_value
    from imputed_values
    inner join indicators
        on
            imputed_values.scenario = indicators.scenario
            and imputed_values.index_code = indicators.index_code
            and imputed_values.edition = indicators.edition
            and imputed_values.indicator_code = indicators.indicator_code
    left join winsorised_bounds
        on
            imputed_values.scenario = winsorised_bounds.scenario
            and imputed_values.index_code = winsorised_bounds.index_code
            and imputed_values.edition = winsorised_bounds.edition
            and imputed_values.indicator_code = winsorised_bounds.indicator_code

),

final as (

    select
        scenario,
        index_code,
        edition,
        city_code,
        indicator_code,
        value as untreated_value,
        treated_value as value,
        treatment,
        case
            when value is not null and treated_value is null then 'not_positive'
            else missing_reason
        end as missing_reason,
        is_imputed,
        provenance
    from treated

)

select * from final
