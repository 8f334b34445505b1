-- A grade of a version whose scale nobody has described has no score: seeds/standard_grades.csv and grade_scores.csv
-- describe them.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_hospital_grades'}}}) }}

with

hospital_grades as (

    select * from {{ ref('fct_hospital_grades') }}

),

final as (

    select
        standard_code,
        standard_version,
        count(*) as grade_count
    from hospital_grades
    where
        grade is not null
        and score is null
    group by standard_code, standard_version

)

select * from final
