with

hospital_grades as (

    select * from {{ ref('int_scored_hospital_grades') }}

),

standard_grades as (

    select distinct
        standard_code,
        standard_version
    from {{ ref('stg_standard_grades') }}

),

-- A grade holds until the next one of the same standard and version; a row without a grade ends none.
graded as (

    select
        hospital_code,
        standard_code,
        standard_version,
        assessed_on,
        lead(assessed_on) over (
            partition by hospital_code, standard_code, standard_version
            order by assessed_on
        ) as superseded_on
    from hospital_grades
    where grade is not null

),

final as (

    select
        hospital_grades.hospital_code,
        hospital_grades.standard_code,
        hospital_grades.standard_version,
        hospital_grades.assessed_on,
        hospital_grades.city_code,
        hospital_grades.grade,
        hospital_grades.grade_number,
        hospital_grades.grade_name_zh,
        hospital_grades.grade_name_en,
        hospital_grades.band,
        hospital_grades.score,
        hospital_grades.alternative_score,
        case
            when hospital_grades.grade is null then 'not_assessed'
            when standard_grades.standard_code is null then 'unknown_scale'
            else 'graded'
        end as status,
        graded.superseded_on,
        hospital_grades.grade is not null and graded.superseded_on is null as is_current,
        hospital_grades.beds,
        hospital_grades.source,
        hospital_grades.batch_id,
        hospital_grades.file_name,
        hospital_grades.is_synthetic
    from hospital_grades
    left join standard_grades
        on
            hospital_grades.standard_code = standard_grades.standard_code
            and hospital_grades.standard_version = standard_grades.standard_version
    left join graded
        on
            hospital_grades.hospital_code = graded.hospital_code
            and hospital_grades.standard_code = graded.standard_code
            and hospital_grades.standard_version = graded.standard_version
            and hospital_grades.assessed_on = graded.assessed_on

)

select * from final
