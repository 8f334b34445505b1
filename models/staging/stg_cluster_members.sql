with

cluster_members as (

    select * from {{ ref('cluster_members') }}

),

final as (

    select
        cluster_code,
        name_zh,
        nullif(trim(city_code), '') as city_code,
        is_assessed,
        is_core_city
    from cluster_members

)

select * from final
