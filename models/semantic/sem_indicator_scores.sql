with

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

city_scores as (

    select * from {{ ref('sem_city_scores') }}

),

final as (

    select
        indicator_scores.index_code,
        indicator_scores.edition,
        indicator_scores.city_code,
        indicator_scores.indicator_code,
        city_scores.as_of_date,
        indicator_scores.score,
        indicator_scores.rank,
        indicator_scores.contribution,
        city_scores.tier_code,
        indicator_scores.coverage_share,
        indicator_scores.is_imputed,
        indicator_scores.provenance,
        indicator_scores.is_synthetic,
        city_scores.scaled_weight
    from indicator_scores
    inner join city_scores
        on
            indicator_scores.index_code = city_scores.index_code
            and indicator_scores.edition = city_scores.edition
            and indicator_scores.city_code = city_scores.city_code

)

select * from final
