-- In every set the weights within each parent are shares of it, and the tertiaries' effective weights are shares of the
-- total.

{{ config(meta={'dagster': {'ref': {'name': 'fct_weight_sets'}}}) }}

with

weight_sets as (

    select * from {{ ref('fct_weight_sets') }}

),

within_parents as (

    select
        index_code,
        edition,
        weight_set,
        parent_code,
        {{ stable_sum('weight') }} as weight_sum
    from weight_sets
    group by index_code, edition, weight_set, parent_code

),

of_totals as (

    select
        index_code,
        edition,
        weight_set,
        'all tertiaries' as parent_code,
        {{ stable_sum('effective_weight') }} as weight_sum
    from weight_sets
    where level = 3
    group by index_code, edition, weight_set

),

final as (

    select * from within_parents
    where not abs(weight_sum - 1) <= 1e-9
    union all
    select * from of_totals
    where not abs(weight_sum - 1) <= 1e-9

)

select * from final
