with

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

cities as (

    select * from {{ ref('dim_cities') }}

),

clusters as (

    select * from {{ ref('dim_clusters') }}

),

city_weights as (

    select * from {{ ref('fct_city_weights') }}

),

member_scores as (

    select
        indicator_scores.index_code,
        indicator_scores.edition,
        cities.cluster_code,
        indicator_scores.indicator_code,
        indicator_scores.score,
        city_weights.city_weight,
        row_number() over (
            partition by
                indicator_scores.index_code,
                indicator_scores.edition,
                cities.cluster_code,
                indicator_scores.indicator_code
            order by indicator_scores.score
        ) as ascending_position
    from indicator_scores
    inner join cities
        on indicator_scores.city_code = cities.city_code
    left join city_weights
        on
            indicator_scores.index_code = city_weights.index_code
            and indicator_scores.edition = city_weights.edition
            and indicator_scores.city_code = city_weights.city_code
    where
        cities.cluster_code is not null
        and indicator_scores.score is not null

),

-- Weights of any unit are brought near one before they are summed with scores.
weighted_members as (

    select
        *,
        city_weight / {{ magnitude_of(
            'max(city_weight) over (partition by index_code, edition, cluster_code, indicator_code)'
        ) }} as scaled_weight
    from member_scores

),

-- Gini = 2 * sum(position * score) / (n * sum(score)) - (n + 1) / n, positions ascending from 1: 0 where all members
-- score alike, towards 1 where one holds everything. No score anywhere is equal too. Not defined
-- where a score is negative.
-- Source: OECD/JRC Handbook (2008) for the idea; the closed form is the usual one for a finite population.
cluster_scores as (

    select
        index_code,
        edition,
        cluster_code,
        indicator_code,
        cast(count(score) as int) as city_count,
        cast(count(city_weight) as int) as weighted_city_count,
        {{ stable_weighted_mean('scaled_weight', 'score') | indent(8) }} as gdp_weighted_score,
        {{ stable_mean('score') }} as mean_score,
        case
            when min(score) = 0 and max(score) = 0 then 0
            when min(score) >= 0
                then
                    2 * {{ stable_sum('ascending_position * score') }}
                    / nullif(count(score) * {{ stable_sum('score') }}, 0)
                    - (count(score) + 1) / cast(count(score) as double)
        end as score_gini
    from weighted_members
    group by index_code, edition, cluster_code, indicator_code

),

final as (

    select
        cluster_scores.index_code,
        cluster_scores.edition,
        cluster_scores.cluster_code,
        cluster_scores.indicator_code,
        cluster_scores.city_count,
        cluster_scores.weighted_city_count,
        cluster_scores.gdp_weighted_score,
        cluster_scores.mean_score,
        cluster_scores.score_gini,
        clusters.core_city_count,
        clusters.pattern
    from cluster_scores
    inner join clusters
        on cluster_scores.cluster_code = clusters.cluster_code

)

select * from final
