with

hospital_grades as (

    select *
    from {{ current_version(
        ref('stg_hospital_versions'),
        landing_keys().hospitals
    ) }} as current_versions

),

-- The shipped hospitals are invented, whatever a later batch says of them; what else lands is real.
final as (

    select
        hospital_code,
        city_code,
        standard_code,
        standard_version,
        nullif(trim(grade), '') as grade,
        assessed_on,
        nullif(trim(hospital_name_zh), '') as hospital_name_zh,
        beds,
        nullif(trim(source), '') as source,
        batch_id,
        batch_number,
        file_name,
        min(first_batch_number) over (partition by hospital_code) = 0 as is_synthetic
    from hospital_grades

)

select * from final
