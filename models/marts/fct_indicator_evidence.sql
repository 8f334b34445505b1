with

indicator_evidence as (

    select * from {{ ref('int_indicator_evidence') }}

),

evidence as (

    select * from {{ ref('stg_evidence') }}

),

stages as (

    select * from {{ ref('stg_evidence_stages') }}

),

edition_dates as (

    select * from {{ ref('int_edition_dates') }}

),

final as (

    select
        indicator_evidence.index_code,
        indicator_evidence.edition,
        indicator_evidence.city_code,
        indicator_evidence.indicator_code,
        indicator_evidence.record_count,
        stages.status as best_status,
        indicator_evidence.oldest_on,
        indicator_evidence.newest_on,
        indicator_evidence.score,
        indicator_evidence.best_evidence_id,
        evidence.title as best_title,
        evidence.url as best_url,
        edition_dates.as_of_date,
        edition_dates.is_synthetic
    from indicator_evidence
    inner join stages
        on indicator_evidence.best_stage_number = stages.stage_number
    inner join edition_dates
        on
            indicator_evidence.index_code = edition_dates.index_code
            and indicator_evidence.edition = edition_dates.edition
    inner join evidence
        on indicator_evidence.best_evidence_id = evidence.evidence_id

)

select * from final
