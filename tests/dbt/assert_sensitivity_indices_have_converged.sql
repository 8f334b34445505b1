-- Where the most rows did not make the intervals narrow enough, the sensitivity indices are to be read with them:
-- CITY_INDEX_SENSITIVITY_ROWS allows more.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_sensitivity'}}}) }}

with

sensitivity as (

    select * from {{ ref('fct_sensitivity') }}

),

editions as (

    select * from {{ ref('dim_editions') }}

),

final as (

    select distinct
        sensitivity.index_code,
        sensitivity.edition,
        sensitivity.base_count,
        sensitivity.half_width
    from sensitivity
    inner join editions
        on
            sensitivity.index_code = editions.index_code
            and sensitivity.edition = editions.edition
    where
        not sensitivity.is_converged
        and not editions.is_synthetic
        -- Fewer rows than the default are asked for by somebody who knows.
        and sensitivity.base_count >= {{ var('sensitivity_checked_rows') }}

)

select * from final
