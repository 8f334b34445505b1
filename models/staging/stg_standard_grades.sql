with

standard_grades as (

    select * from {{ ref('standard_grades') }}

),

final as (

    select
        standard_code,
        standard_version,
        grade,
        grade_number,
        name_zh,
        name_en,
        nullif(trim(band), '') as band
    from standard_grades

)

select * from final
