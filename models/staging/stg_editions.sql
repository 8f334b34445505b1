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
        note,
        as_of_date,
        coalesce(is_synthetic, false) as is_synthetic
    from editions

)

select * from final
