with

grade_maps as (

    select * from {{ ref('grade_maps') }}

),

final as (

    select
        map_code,
        is_default,
        name_zh,
        name_en,
        status,
        note
    from grade_maps

)

select * from final
