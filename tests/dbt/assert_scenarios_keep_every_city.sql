-- Every scenario of an edition has all its cities, and each edition is tried under every other set of weights.

{{ config(meta={'dagster': {'ref': {'name': 'fct_scenario_scores'}}}) }}

with

city_scores as (

    select * from {{ ref('fct_city_scores') }}

),

scenario_scores as (

    select * from {{ ref('fct_scenario_scores') }}

),

scenarios as (

    select distinct
        index_code,
        edition,
        'weights_' || weight_set as scenario
    from {{ ref('fct_weight_sets') }}
    where status <> 'framework'
    union
    select distinct
        index_code,
        edition,
        scenario
    from scenario_scores

),

final as (

    select
        city_scores.index_code,
        city_scores.edition,
        scenarios.scenario,
        city_scores.city_code
    from city_scores
    inner join scenarios
        on
            city_scores.index_code = scenarios.index_code
            and city_scores.edition = scenarios.edition
    left join scenario_scores
        on
            city_scores.index_code = scenario_scores.index_code
            and city_scores.edition = scenario_scores.edition
            and city_scores.city_code = scenario_scores.city_code
            and scenarios.scenario = scenario_scores.scenario
    where scenario_scores.city_code is null

)

select * from final
