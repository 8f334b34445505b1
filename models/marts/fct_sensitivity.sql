with

sensitivities as (

    select * from {{ ref('int_rank_sensitivities') }}

),

final as (

    select
        index_code,
        edition,
        factor,
        coalesce(indicator_code, '') as indicator_code,
        can_vary,
        first_order,
        first_order_low,
        first_order_high,
        total_effect,
        total_effect_low,
        total_effect_high,
        mean_rank_shift,
        variance,
        cast(base_count as int) as base_count,
        cast(evaluation_count as int) as evaluation_count,
        half_width,
        is_converged,
        cast(random_seed as int) as random_seed
    from sensitivities

)

select * from final
