with

city_scores as (

    select * from {{ ref('fct_city_scores') }}

),

editions as (

    select * from {{ ref('dim_editions') }}

),

city_weights as (

    select * from {{ ref('fct_city_weights') }}

),

-- Weights of any unit are brought near one: a sum of scores and weights stays finite, and no mean moves by it.
final as (

    select
        city_scores.index_code,
        city_scores.edition,
        city_scores.city_code,
        editions.as_of_date,
        city_scores.total_score,
        city_scores.total_rank,
        city_scores.tier_code,
        city_scores.coverage_share,
        city_scores.status,
        city_scores.is_imputed,
        city_scores.provenance,
        city_scores.is_synthetic,
        city_weights.city_weight / {{ magnitude_of(
            'max(city_weights.city_weight) over (partition by city_scores.index_code, city_scores.edition)'
        ) }} as scaled_weight
    from city_scores
    inner join editions
        on
            city_scores.index_code = editions.index_code
            and city_scores.edition = editions.edition
    left join city_weights
        on
            city_scores.index_code = city_weights.index_code
            and city_scores.edition = city_weights.edition
            and city_scores.city_code = city_weights.city_code

)

select * from final
