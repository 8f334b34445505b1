-- Where a framework imputes, a gap stays where its group or the other editions hold nothing to estimate from.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_indicator_scores'}}}) }}

with

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

final as (

    select
        indicator_scores.index_code,
        indicator_scores.edition,
        indicator_scores.indicator_code,
        indicators.imputation,
        count(*) as city_count
    from indicator_scores
    inner join indicators
        on
            indicator_scores.index_code = indicators.index_code
            and indicator_scores.edition = indicators.edition
            and indicator_scores.indicator_code = indicators.indicator_code
    where
        indicators.imputation <> 'none'
        and indicator_scores.provenance is null
    group by
        indicator_scores.index_code,
        indicator_scores.edition,
        indicator_scores.indicator_code,
        indicators.imputation

)

select * from final
