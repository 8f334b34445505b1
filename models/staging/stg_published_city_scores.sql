with

published_city_scores as (

    select * from {{ ref('published_city_scores') }}

),

final as (

    select
        index_code,
        edition,
        city_code,
        name_zh,
        published_rank,
        published_score
    from published_city_scores

)

select * from final
