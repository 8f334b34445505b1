with

standard_grades as (

    select * from {{ ref('stg_standard_grades') }}

),

grade_scores as (

    select * from {{ ref('stg_grade_scores') }}

),

grade_maps as (

    select * from {{ ref('stg_grade_maps') }}

),

final as (

    select
        standard_grades.standard_code,
        standard_grades.standard_version,
        standard_grades.grade,
        grade_maps.map_code,
        grade_maps.is_default,
        standard_grades.grade_number,
        standard_grades.name_zh,
        standard_grades.name_en,
        standard_grades.band,
        grade_scores.score,
        grade_maps.status as map_status,
        grade_maps.note as map_note
    from standard_grades
    inner join grade_scores
        on
            standard_grades.standard_code = grade_scores.standard_code
            and standard_grades.standard_version = grade_scores.standard_version
            and standard_grades.grade = grade_scores.grade
    inner join grade_maps
        on grade_scores.map_code = grade_maps.map_code

)

select * from final
