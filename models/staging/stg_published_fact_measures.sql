with

published_fact_measures as (

    select * from {{ ref('published_fact_measures') }}

),

final as (

    select
        indicator,
        nullif(trim(measure_code), '') as measure_code,
        nullif(trim(indicator_code), '') as indicator_code,
        nullif(trim(comparison), '') as comparison,
        treatment,
        tolerance,
        nullif(trim(note), '') as note
    from published_fact_measures

)

select * from final
