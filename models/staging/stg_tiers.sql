with

tiers as (

    select * from {{ ref('tiers') }}

),

-- A tier reaches up to the lower bound of the next better one.
final as (

    select
        index_code,
        tier_code,
        tier_ordinal,
        name_zh,
        name_en,
        lower_bound_score,
        lag(lower_bound_score) over (partition by index_code order by tier_ordinal) as upper_bound_score
    from tiers

)

select * from final
