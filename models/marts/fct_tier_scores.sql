with

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

city_tiers as (

    select * from {{ ref('int_city_tiers') }}

),

final as (

    select
        indicator_scores.index_code,
        indicator_scores.edition,
        city_tiers.tier_code,
        indicator_scores.indicator_code,
        cast(count(indicator_scores.score) as int) as city_count,
        {{ stable_mean('indicator_scores.score') }} as mean_score,
        median(indicator_scores.score) as median_score,
        min(indicator_scores.score) as min_score,
        max(indicator_scores.score) as max_score
    from indicator_scores
    inner join city_tiers
        on
            indicator_scores.index_code = city_tiers.index_code
            and indicator_scores.edition = city_tiers.edition
            and indicator_scores.city_code = city_tiers.city_code
    group by
        indicator_scores.index_code,
        indicator_scores.edition,
        city_tiers.tier_code,
        indicator_scores.indicator_code

)

select * from final
