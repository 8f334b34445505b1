with

clusters as (

    select * from {{ ref('stg_clusters') }}

),

cluster_members as (

    select * from {{ ref('stg_cluster_members') }}

),

patterns as (

    select * from {{ ref('stg_cluster_patterns') }}

),

member_counts as (

    select
        cluster_code,
        cast(count(*) as int) as member_count,
        cast(count(case when is_core_city then 1 end) as int) as core_city_count
    from cluster_members
    group by cluster_code

),

final as (

    select
        clusters.cluster_code,
        clusters.name_zh,
        clusters.name_en,
        coalesce(member_counts.member_count, 0) as member_count,
        coalesce(member_counts.core_city_count, 0) as core_city_count,
        patterns.pattern_code as pattern,
        patterns.name_zh as pattern_name_zh,
        patterns.name_en as pattern_name_en
    from clusters
    left join member_counts
        on clusters.cluster_code = member_counts.cluster_code
    left join patterns
        on
            member_counts.core_city_count >= patterns.min_core_city_count
            and (
                patterns.next_min_core_city_count is null
                or member_counts.core_city_count < patterns.next_min_core_city_count
            )

)

select * from final
