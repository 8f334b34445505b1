-- Pairs grow with the square of the siblings: of a parent with too many children none are formed, so that their
-- correlations with each other, and the weights that follow from them, are left out.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_indicator_groups'}}}) }}

with

groups as (

    select * from {{ ref('fct_indicator_groups') }}

),

final as (

    select
        index_code,
        edition,
        indicator_code,
        child_count
    from groups
    where child_count > {{ var('audit_max_siblings') }}

)

select * from final
