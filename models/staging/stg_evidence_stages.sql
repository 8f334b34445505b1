with

evidence_stages as (

    select * from {{ ref('evidence_stages') }}

),

final as (

    select
        status,
        stage_number,
        points,
        reading_order,
        name_zh,
        name_en,
        note
    from evidence_stages

)

select * from final
