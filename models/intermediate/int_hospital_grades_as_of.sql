with

as_of_dates as (

    select * from {{ ref('int_as_of_dates') }}

),

hospitals as (

    select * from {{ ref('int_hospitals_as_of') }}

),

hospital_grades as (

    select * from {{ ref('int_scored_hospital_grades') }}

),

-- The latest grade at or before the day, of each standard and version apart. A row without a grade takes none away.
dated as (

    select
        as_of_dates.as_of_date,
        hospital_grades.*,
        row_number() over (
            partition by
                as_of_dates.as_of_date,
                hospital_grades.is_synthetic,
                hospital_grades.hospital_code,
                hospital_grades.standard_code,
                hospital_grades.standard_version
            order by hospital_grades.assessed_on desc
        ) as age
    from hospital_grades
    inner join as_of_dates
        on
            hospital_grades.is_synthetic = as_of_dates.is_synthetic
            and hospital_grades.assessed_on <= as_of_dates.as_of_date
    where hospital_grades.grade is not null

),

final as (

    select
        dated.as_of_date,
        dated.is_synthetic,
        hospitals.city_code,
        dated.hospital_code,
        dated.standard_code,
        dated.standard_version,
        dated.grade,
        dated.grade_number,
        dated.score,
        dated.alternative_score,
        dated.assessed_on,
        hospitals.beds
    from dated
    inner join hospitals
        on
            dated.as_of_date = hospitals.as_of_date
            and dated.is_synthetic = hospitals.is_synthetic
            and dated.hospital_code = hospitals.hospital_code
    where dated.age = 1

)

select * from final
