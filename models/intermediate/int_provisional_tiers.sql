{#- A tier follows from the total, and the total from imputed values; so the tiers within which values are estimated
    come from a total that does without any. -#}
with

tier_imputations as (

    select distinct
        scenario,
        index_code,
        edition
    from {{ ref('int_scenario_indicators') }}
    where imputation in ('tier_mean', 'tier_median')

),

observed_values as (

    select
        city_values.*,
        false as is_imputed
    from {{ ref('int_city_indicator_values') }} as city_values
    inner join tier_imputations
        on
            city_values.scenario = tier_imputations.scenario
            and city_values.index_code = tier_imputations.index_code
            and city_values.edition = tier_imputations.edition

),

tertiaries as (

    {{ tertiary_scores('observed_values', ref('int_scenario_indicators')) | indent(4) }}

),

nodes as (

    {{ tree_scores('tertiaries', ref('int_scenario_indicators')) | indent(4) }}

),

indicators as (

    select * from {{ ref('int_scenario_indicators') }}

),

totals as (

    select
        nodes.scenario,
        nodes.index_code,
        nodes.edition,
        nodes.city_code,
        nodes.score
    from nodes
    inner join indicators
        on
            nodes.scenario = indicators.scenario
            and nodes.index_code = indicators.index_code
            and nodes.edition = indicators.edition
            and nodes.indicator_code = indicators.indicator_code
    where indicators.level = 0

),

final as (

    {{ tiers_of_totals('totals', ['scenario', 'index_code', 'edition', 'city_code']) | indent(4) }}

)

select * from final
