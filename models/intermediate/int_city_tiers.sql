with

indicator_scores as (

    select * from {{ ref('int_indicator_scores') }}

),

tiers as (

    select * from {{ ref('stg_tiers') }}

),

totals as (

    select
        index_code,
        edition,
        city_code,
        {{ comparable('score') }} as compared_score
    from indicator_scores
    where level = 0 and score is not null

),

-- Lower bound exclusive, upper bound inclusive.
final as (

    select
        totals.index_code,
        totals.edition,
        totals.city_code,
        tiers.tier_code
    from totals
    inner join tiers
        on
            totals.index_code = tiers.index_code
            and (tiers.lower_bound_score is null or totals.compared_score > tiers.lower_bound_score)
            and (tiers.upper_bound_score is null or totals.compared_score <= tiers.upper_bound_score)

)

select * from final
