with

clusters as (

    select * from {{ ref('clusters') }}

),

final as (

    select
        cluster_code,
        name_zh,
        name_en
    from clusters

)

select * from final
