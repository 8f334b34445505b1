-- A figure that is an input, or that the reconstruction was solved to give, must come out of the tree again.
-- Once real observations stand beside the reconstructed ones this no longer binds.

{{ config(meta={'dagster': {'ref': {'name': 'rpt_reconciliation'}}}) }}

with

reconciliation as (

    select * from {{ ref('rpt_reconciliation') }}

),

editions as (

    select * from {{ ref('dim_editions') }}

),

final as (

    select
        reconciliation.fact_id,
        reconciliation.published_value,
        reconciliation.computed_value
    from reconciliation
    inner join editions
        on
            reconciliation.index_code = editions.index_code
            and reconciliation.edition = editions.edition
    where
        reconciliation.treatment in ('input', 'solver')
        and reconciliation.status <> 'by_construction'
        and editions.reconstructed_share = 1

)

select * from final
