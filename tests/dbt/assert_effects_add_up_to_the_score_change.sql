-- A change is the sum of what the data, the weights and the structure did; to nine decimals of the larger figures.

{{ config(meta={'dagster': {'ref': {'name': 'fct_score_changes'}}}) }}

with

score_changes as (

    select * from {{ ref('fct_score_changes') }}

),

final as (

    select
        index_code,
        edition,
        city_code,
        score_change,
        data_effect,
        weight_effect,
        structure_effect
    from score_changes
    where
        not abs(score_change - (data_effect + weight_effect + structure_effect))
        <= 1e-9 * greatest(
            1, abs(previous_score), abs(score), abs(data_effect), abs(weight_effect), abs(structure_effect)
        )

)

select * from final
