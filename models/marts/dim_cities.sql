with

cities as (

    select * from {{ ref('stg_cities') }}

),

cluster_members as (

    select * from {{ ref('stg_cluster_members') }}

),

final as (

    select
        cities.city_code,
        cities.name_zh,
        cities.name_en,
        cities.province_zh,
        cities.province_en,
        cities.adcode,
        cities.longitude,
        cities.latitude,
        cluster_members.cluster_code,
        coalesce(cluster_members.is_core_city, false) as is_cluster_core
    from cities
    left join cluster_members
        on cities.city_code = cluster_members.city_code

)

select * from final
