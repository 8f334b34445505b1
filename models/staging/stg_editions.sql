with

editions as (

    select * from {{ ref('editions') }}

),

final as (

    select
        index_code,
        edition,
        title_zh,
        title_en,
        publisher_zh,
        publisher_en,
        source_document,
        weighting_statistic_code,
        weighting_year,
        note
    from editions

)

select * from final
