with

standards as (

    select * from {{ ref('stg_standards') }}

),

standard_grades as (

    select * from {{ ref('stg_standard_grades') }}

),

hospital_grades as (

    select * from {{ ref('stg_hospital_grades') }}

),

scales as (

    select
        standard_code,
        standard_version,
        cast(count(*) as int) as grade_count,
        min(grade_number) as lowest_grade_number,
        max(grade_number) as highest_grade_number
    from standard_grades
    group by standard_code, standard_version

),

-- A version that hospitals were graded by stands here even where nobody has described it.
versions as (

    select
        standard_code,
        standard_version
    from standards
    union
    select
        standard_code,
        standard_version
    from hospital_grades

),

final as (

    select
        versions.standard_code,
        versions.standard_version,
        standards.layer_code,
        standards.name_zh,
        standards.name_en,
        standards.document_number,
        standards.published_year,
        standards.scope_zh,
        standards.scope_en,
        coalesce(scales.grade_count, 0) as grade_count,
        scales.lowest_grade_number,
        scales.highest_grade_number,
        standards.note
    from versions
    left join standards
        on
            versions.standard_code = standards.standard_code
            and versions.standard_version = standards.standard_version
    left join scales
        on
            versions.standard_code = scales.standard_code
            and versions.standard_version = scales.standard_version

)

select * from final
