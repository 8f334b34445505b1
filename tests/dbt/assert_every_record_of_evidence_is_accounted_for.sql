-- Every record of evidence stands in fct_evidence once, and what counts in it is what the tertiaries count.

{{ config(meta={'dagster': {'ref': {'name': 'fct_evidence'}}}) }}

with

given as (

    select count(distinct evidence_id) as record_count
    from {{ ref('stg_evidence_versions') }}

),

published as (

    select
        count(*) as record_count,
        count(case when duplicate_of is not null then 1 end) as duplicate_count,
        count(case when is_counted then 1 end) as counted_count,
        count(case when duplicate_of is null and classification in ('filtered', 'unclassified') then 1 end)
            as set_aside_count
    from {{ ref('fct_evidence') }}

),

final as (

    select
        given.record_count as given_count,
        published.*
    from given
    cross join published
    where
        given.record_count <> published.record_count
        or published.record_count
        <> published.duplicate_count + published.counted_count + published.set_aside_count

)

select * from final
