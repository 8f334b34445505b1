-- The printed primary means under the framework's weights give the printed mean of the totals, within what the
-- rounding of the means allows: a check of the derived hospital weight that no observation can influence.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'dim_indicators'}}}) }}

with

facts as (

    select * from {{ ref('stg_published_facts') }}

),

measures as (

    select * from {{ ref('stg_published_fact_measures') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

printed_means as (

    select
        facts.index_code,
        facts.edition,
        indicators.level,
        indicators.weight,
        facts.value
    from facts
    inner join measures
        on facts.indicator = measures.indicator
    inner join indicators
        on
            facts.index_code = indicators.index_code
            and facts.edition = indicators.edition
            and measures.indicator_code = indicators.indicator_code
    where
        facts.scope = 'national'
        and measures.measure_code = 'mean_score'
        and indicators.level <= 1

),

sums as (

    select
        index_code,
        edition,
        {{ stable_sum("case when level = 1 then weight * value end") }} as weighted_mean,
        max(case when level = 0 then value end) as printed_mean
    from printed_means
    group by index_code, edition

),

final as (

    select * from sums
    where not abs(weighted_mean - printed_mean) <= {{ var('printed_means_tolerance') }}

)

select * from final
