with

cluster_patterns as (

    select * from {{ ref('cluster_patterns') }}

),

-- A pattern holds from its own least number of core cities up to the next pattern's.
final as (

    select
        pattern_code,
        name_zh,
        name_en,
        min_core_city_count,
        lead(min_core_city_count) over (order by min_core_city_count) as next_min_core_city_count
    from cluster_patterns

)

select * from final
