with

rank_worlds as (

    select * from {{ ref('int_rank_worlds') }}

),

final as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        scenario,
        cast(rank as int) as rank,
        cast(rank_p05 as int) as rank_p05,
        cast(rank_p50 as int) as rank_p50,
        cast(rank_p95 as int) as rank_p95,
        {{ finite('top10_share') }} as top10_share,
        {{ finite('own_tier_share') }} as own_tier_share,
        {{ finite('above_next_share') }} as above_next_share,
        next_city_code,
        cast(ranked_draw_count as int) as ranked_draw_count,
        cast(draw_count as int) as draw_count,
        cast(random_seed as int) as random_seed
    from rank_worlds

)

select * from final
