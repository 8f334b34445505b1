-- A norm that the indicator's normalisation does not use counts for nothing; perhaps another normalisation was meant.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'dim_indicators'}}}) }}

with

indicators as (

    select * from {{ ref('dim_indicators') }}

),

final as (

    select
        index_code,
        edition,
        indicator_code,
        normalisation,
        norm_low,
        norm_high
    from indicators
    where
        (
            norm_low is not null
            and coalesce(normalisation, '') not in ('goalposts', 'log_goalposts', 'distance_to_reference')
        )
        or (
            norm_high is not null
            and coalesce(normalisation, '') not in ('goalposts', 'log_goalposts', 'distance_to_target')
        )

)

select * from final
