with

change_scores as (

    select * from {{ ref('int_change_scores') }}

),

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}
    where level = 0

),

split as (

    select
        *,
        previous_data_score is not null
        and new_data_score is not null
        and new_weights_score is not null as is_split
    from change_scores

),

-- What cannot be split, because what is common to both editions gives no score, is a change of structure.
effects as (

    select
        *,
        case when is_split then new_data_score - previous_data_score else 0 end as data_effect,
        case when is_split then new_weights_score - new_data_score else 0 end as weight_effect,
        case
            when is_split then (previous_data_score - previous_score) + (score - new_weights_score)
            else score - previous_score
        end as structure_effect
    from split

),

final as (

    select
        effects.index_code,
        effects.edition,
        effects.previous_edition,
        effects.city_code,
        effects.previous_score,
        effects.score,
        effects.score - effects.previous_score as score_change,
        cast(effects.data_effect as double) as data_effect,
        cast(effects.weight_effect as double) as weight_effect,
        effects.structure_effect,
        effects.is_split,
        previous_ranks.rank as previous_rank,
        ranks.rank,
        previous_ranks.rank - ranks.rank as rank_change
    from effects
    inner join indicator_scores as ranks
        on
            effects.index_code = ranks.index_code
            and effects.edition = ranks.edition
            and effects.city_code = ranks.city_code
    inner join indicator_scores as previous_ranks
        on
            effects.index_code = previous_ranks.index_code
            and effects.previous_edition = previous_ranks.edition
            and effects.city_code = previous_ranks.city_code

)

select * from final
