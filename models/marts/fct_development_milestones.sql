with

milestones as (

    select * from {{ ref('stg_development_milestones') }}

),

final as (

    select
        milestone_code,
        year,
        period_code,
        period_zh,
        period_en,
        period_start,
        period_end,
        milestone_zh,
        milestone_en,
        source_document,
        fact_id,
        confidence,
        note
    from milestones

)

select * from final
