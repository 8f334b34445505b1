with

smart_hospital_stages as (

    select * from {{ ref('smart_hospital_stages') }}

),

final as (

    select
        stage_code,
        stage_number,
        lowest_score,
        name_zh,
        name_en,
        note
    from smart_hospital_stages

)

select * from final
