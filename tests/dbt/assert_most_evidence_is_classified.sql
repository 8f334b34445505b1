-- Where most records fit no rule, the taxonomy does not know their words; fct_evidence lists them.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_evidence'}}}) }}

with

evidence as (

    select * from {{ ref('fct_evidence') }}

),

final as (

    select
        is_synthetic,
        count(*) as record_count,
        count(case when classification = 'unclassified' then 1 end) as unclassified_count
    from evidence
    where duplicate_of is null
    group by is_synthetic
    having
        count(case when classification = 'unclassified' then 1 end)
        > {{ var('evidence_most_unclassified_share') }} * count(*)

)

select * from final
