-- Synthetic records make values of synthetic editions only, and real records of real ones.

{{ config(meta={'dagster': {'ref': {'name': 'fct_derived_observations'}}}) }}

with

editions as (

    select * from {{ ref('dim_editions') }}

),

derived_observations as (

    select * from {{ ref('fct_derived_observations') }}

),

indicator_evidence as (

    select * from {{ ref('fct_indicator_evidence') }}

),

evidence as (

    select * from {{ ref('fct_evidence') }}

),

final as (

    select
        derived_observations.index_code,
        derived_observations.edition,
        derived_observations.city_code,
        derived_observations.indicator_code
    from derived_observations
    inner join editions
        on
            derived_observations.index_code = editions.index_code
            and derived_observations.edition = editions.edition
    where derived_observations.is_synthetic <> editions.is_synthetic
    union all
    select
        indicator_evidence.index_code,
        indicator_evidence.edition,
        indicator_evidence.city_code,
        indicator_evidence.indicator_code
    from indicator_evidence
    inner join evidence
        on indicator_evidence.best_evidence_id = evidence.evidence_id
    where indicator_evidence.is_synthetic <> evidence.is_synthetic

)

select * from final
