with

hospital_grades as (

    select * from {{ ref('stg_hospital_grades') }}

),

standard_grades as (

    select * from {{ ref('stg_standard_grades') }}

),

grade_scores as (

    select * from {{ ref('stg_grade_scores') }}

),

grade_maps as (

    select * from {{ ref('stg_grade_maps') }}

),

scores as (

    select
        grade_scores.standard_code,
        grade_scores.standard_version,
        grade_scores.grade,
        max(case when grade_maps.is_default then grade_scores.score end) as score,
        max(case when not grade_maps.is_default then grade_scores.score end) as alternative_score
    from grade_scores
    inner join grade_maps
        on grade_scores.map_code = grade_maps.map_code
    group by grade_scores.standard_code, grade_scores.standard_version, grade_scores.grade

),

final as (

    select
        hospital_grades.hospital_code,
        hospital_grades.standard_code,
        hospital_grades.standard_version,
        hospital_grades.assessed_on,
        hospital_grades.city_code,
        hospital_grades.hospital_name_zh,
        hospital_grades.beds,
        hospital_grades.grade,
        standard_grades.grade_number,
        standard_grades.name_zh as grade_name_zh,
        standard_grades.name_en as grade_name_en,
        standard_grades.band,
        scores.score,
        scores.alternative_score,
        hospital_grades.source,
        hospital_grades.batch_id,
        hospital_grades.file_name,
        hospital_grades.is_synthetic
    from hospital_grades
    left join standard_grades
        on
            hospital_grades.standard_code = standard_grades.standard_code
            and hospital_grades.standard_version = standard_grades.standard_version
            and hospital_grades.grade = standard_grades.grade
    left join scores
        on
            hospital_grades.standard_code = scores.standard_code
            and hospital_grades.standard_version = scores.standard_version
            and hospital_grades.grade = scores.grade

)

select * from final
