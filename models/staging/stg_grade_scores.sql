with

grade_scores as (

    select * from {{ ref('grade_scores') }}

),

final as (

    select
        map_code,
        standard_code,
        standard_version,
        grade,
        score
    from grade_scores

)

select * from final
