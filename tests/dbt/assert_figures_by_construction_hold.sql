-- A figure that is an input, or that the reconstruction was solved to give, must come out of the tree again.
-- Once landed observations stand among the shipped ones this no longer binds.

{{ config(meta={'dagster': {'ref': {'name': 'rpt_reconciliation'}}}) }}

with

reconciliation as (

    select * from {{ ref('rpt_reconciliation') }}

),

landed as (

    select distinct
        index_code,
        edition
    from {{ ref('stg_observation_versions') }}
    where batch_number > 0

),

final as (

    select
        reconciliation.fact_id,
        reconciliation.published_value,
        reconciliation.computed_value
    from reconciliation
    left join landed
        on
            reconciliation.index_code = landed.index_code
            and reconciliation.edition = landed.edition
    where
        reconciliation.treatment in ('input', 'solver')
        and reconciliation.status <> 'by_construction'
        and landed.edition is null

)

select * from final
