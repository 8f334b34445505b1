with

development_milestones as (

    select * from {{ ref('development_milestones') }}

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
        nullif(trim(fact_id), '') as fact_id,
        confidence,
        note
    from development_milestones

)

select * from final
