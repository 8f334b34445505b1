-- The weights within each parent are shares of it, and the tertiaries' effective weights are shares of the total.

{{ config(meta={'dagster': {'ref': {'name': 'dim_indicators'}}}) }}

with

indicators as (

    select * from {{ ref('dim_indicators') }}

),

within_parents as (

    select
        index_code,
        edition,
        parent_code,
        {{ stable_sum('weight') }} as weight_sum
    from indicators
    group by index_code, edition, parent_code

),

of_totals as (

    select
        index_code,
        edition,
        'all tertiaries' as parent_code,
        {{ stable_sum('effective_weight') }} as weight_sum
    from indicators
    where level = 3
    group by index_code, edition

),

final as (

    select * from within_parents
    where not abs(weight_sum - 1) <= 1e-9
    union all
    select * from of_totals
    where not abs(weight_sum - 1) <= 1e-9

)

select * from final
