with

tiers as (

    select * from {{ ref('stg_tiers') }}

),

final as (

    select
        index_code,
        tier_code,
        tier_ordinal,
        name_zh,
        name_en,
        lower_bound_score,
        upper_bound_score
    from tiers

)

select * from final
