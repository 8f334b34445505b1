with

as_of_dates as (

    select * from {{ ref('int_as_of_dates') }}

),

hospital_grades as (

    select * from {{ ref('stg_hospital_grades') }}

),

-- What the register said of each hospital on each day: nothing dated later is known.
known as (

    select
        as_of_dates.as_of_date,
        hospital_grades.is_synthetic,
        hospital_grades.hospital_code,
        hospital_grades.city_code,
        hospital_grades.beds,
        row_number() over (
            partition by as_of_dates.as_of_date, hospital_grades.is_synthetic, hospital_grades.hospital_code
            order by
                hospital_grades.assessed_on desc,
                hospital_grades.batch_number desc,
                hospital_grades.standard_code,
                hospital_grades.standard_version desc
        ) as age,
        row_number() over (
            partition by
                as_of_dates.as_of_date,
                hospital_grades.is_synthetic,
                hospital_grades.hospital_code,
                hospital_grades.beds is null
            order by
                hospital_grades.assessed_on desc,
                hospital_grades.batch_number desc,
                hospital_grades.standard_code,
                hospital_grades.standard_version desc
        ) as beds_age
    from hospital_grades
    inner join as_of_dates
        on
            hospital_grades.is_synthetic = as_of_dates.is_synthetic
            and hospital_grades.assessed_on <= as_of_dates.as_of_date

),

final as (

    select
        as_of_date,
        is_synthetic,
        hospital_code,
        max(case when age = 1 then city_code end) as city_code,
        max(case when beds is not null and beds_age = 1 then beds end) as beds
    from known
    group by as_of_date, is_synthetic, hospital_code

)

select * from final
