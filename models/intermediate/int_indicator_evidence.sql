with

scored_evidence as (

    select * from {{ ref('int_scored_evidence') }}

),

final as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        cast(count(*) as int) as record_count,
        max(stage_number) as best_stage_number,
        max(published_on) as newest_on,
        min(published_on) as oldest_on,
        max(score) as score,
        max(case when place = 1 then evidence_id end) as best_evidence_id
    from scored_evidence
    group by index_code, edition, city_code, indicator_code

)

select * from final
