-- Rules make values of 0..100 in which more is better. A tertiary that divides them, turns them round or places them by
-- norms of its own may be meant, or may be a framework that has outgrown its rule.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'dim_indicators'}}}) }}

with

edition_rules as (

    select * from {{ ref('int_edition_rules') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

final as (

    select
        edition_rules.index_code,
        edition_rules.edition,
        edition_rules.rule_code,
        indicators.normalisation,
        indicators.denominator,
        indicators.direction
    from edition_rules
    inner join indicators
        on
            edition_rules.index_code = indicators.index_code
            and edition_rules.edition = indicators.edition
            and edition_rules.indicator_code = indicators.indicator_code
    where
        indicators.normalisation <> 'score'
        or indicators.denominator is not null
        or indicators.direction < 0

)

select * from final
