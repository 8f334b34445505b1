with

hospital_grades as (

    select * from {{ ref('stg_hospital_grades') }}

),

-- What the newest row says of a hospital; what it leaves empty is taken from the row before.
aged as (

    select
        *,
        row_number() over (
            partition by hospital_code
            order by assessed_on desc, batch_number desc, standard_code, standard_version desc
        ) as age,
        row_number() over (
            partition by hospital_code, beds is null
            order by assessed_on desc, batch_number desc, standard_code, standard_version desc
        ) as beds_age,
        row_number() over (
            partition by hospital_code, hospital_name_zh is null
            order by assessed_on desc, batch_number desc, standard_code, standard_version desc
        ) as name_age
    from hospital_grades

),

final as (

    select
        hospital_code,
        max(case when hospital_name_zh is not null and name_age = 1 then hospital_name_zh end) as hospital_name_zh,
        max(case when age = 1 then city_code end) as city_code,
        max(case when beds is not null and beds_age = 1 then beds end) as beds,
        cast(count(grade) as int) as grade_count,
        min(assessed_on) as first_recorded_on,
        max(assessed_on) as last_recorded_on,
        min(case when is_synthetic then 1 else 0 end) = 1 as is_synthetic
    from aged
    group by hospital_code

)

select * from final
