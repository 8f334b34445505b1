-- A score is there, or it is said why it is not.

{{ config(meta={'dagster': {'ref': {'name': 'fct_indicator_scores'}}}) }}

with

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

final as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        score,
        missing_reason
    from indicator_scores
    where (score is null) <> (missing_reason is not null)

)

select * from final
