-- No stage loses a row: every city of an edition has a row for every node of the tree, and every total reaches
-- fct_city_scores.

{{ config(meta={'dagster': {'ref': {'name': 'fct_indicator_scores'}}}) }}

with

observations as (

    select * from {{ ref('int_observations') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

city_scores as (

    select * from {{ ref('fct_city_scores') }}

),

expected as (

    select distinct
        observations.index_code,
        observations.edition,
        observations.city_code,
        indicators.indicator_code
    from observations
    inner join indicators
        on
            observations.index_code = indicators.index_code
            and observations.edition = indicators.edition
    where observations.value is not null

),

final as (

    select
        expected.index_code,
        expected.edition,
        expected.city_code,
        expected.indicator_code
    from expected
    left join indicator_scores
        on
            expected.index_code = indicator_scores.index_code
            and expected.edition = indicator_scores.edition
            and expected.city_code = indicator_scores.city_code
            and expected.indicator_code = indicator_scores.indicator_code
    left join city_scores
        on
            expected.index_code = city_scores.index_code
            and expected.edition = city_scores.edition
            and expected.city_code = city_scores.city_code
    where
        indicator_scores.city_code is null
        or city_scores.city_code is null

)

select * from final
