-- A change is the sum of what the data, the weights and the structure did: to nine decimals, or to nine digits of the
-- largest total on the way where that exceeds 1.

{{ config(meta={'dagster': {'ref': {'name': 'fct_score_changes'}}}) }}

with

score_changes as (

    select * from {{ ref('fct_score_changes') }}

),

change_scores as (

    select * from {{ ref('int_change_scores') }}

),

final as (

    select
        score_changes.index_code,
        score_changes.edition,
        score_changes.city_code,
        score_changes.score_change,
        score_changes.data_effect,
        score_changes.weight_effect,
        score_changes.structure_effect
    from score_changes
    inner join change_scores
        on
            score_changes.index_code = change_scores.index_code
            and score_changes.edition = change_scores.edition
            and score_changes.city_code = change_scores.city_code
    where
        not abs(
            score_changes.score_change
            - (score_changes.data_effect + score_changes.weight_effect + score_changes.structure_effect)
        )
        <= 1e-9 * greatest(
            1,
            abs(change_scores.previous_score),
            abs(coalesce(change_scores.previous_data_score, 0)),
            abs(coalesce(change_scores.new_data_score, 0)),
            abs(coalesce(change_scores.new_weights_score, 0)),
            abs(change_scores.score)
        )

)

select * from final
