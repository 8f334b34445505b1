-- Every figure that a printed fact can be held against, in long form: one row per scope, measure and indicator.

with

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

indicators as (

    select * from {{ ref('int_indicators') }}

),

city_scores as (

    select * from {{ ref('fct_city_scores') }}

),

cluster_scores as (

    select * from {{ ref('fct_cluster_scores') }}

),

cities as (

    select * from {{ ref('dim_cities') }}

),

clusters as (

    select * from {{ ref('dim_clusters') }}

),

tiers as (

    select * from {{ ref('dim_tiers') }}

),

roots as (

    select
        index_code,
        edition,
        indicator_code
    from indicators
    where level = 0

),

-- Each city counts once in the nation and once in its tier.
scoped_scores as (

    select
        index_code,
        edition,
        'national' as scope,
        city_code,
        indicator_code,
        score
    from indicator_scores
    union all
    select
        indicator_scores.index_code,
        indicator_scores.edition,
        'tier:' || city_scores.tier_code as scope,
        indicator_scores.city_code,
        indicator_scores.indicator_code,
        indicator_scores.score
    from indicator_scores
    inner join city_scores
        on
            indicator_scores.index_code = city_scores.index_code
            and indicator_scores.edition = city_scores.edition
            and indicator_scores.city_code = city_scores.city_code
    where city_scores.tier_code is not null

),

scales as (

    select
        index_code,
        edition,
        max(scale_high) as scale_max
    from indicators
    where is_leaf
    group by index_code, edition

),

group_figures as (

    select
        scoped_scores.index_code,
        scoped_scores.edition,
        scoped_scores.scope,
        scoped_scores.indicator_code,
        count(scoped_scores.score) as city_count,
        count(distinct coalesce(cities.province_zh, cities.province_en)) as province_count,
        {{ stable_mean('scoped_scores.score') }} as mean_score,
        min(scoped_scores.score) as min_score,
        max(scoped_scores.score) as max_score,
        max(scoped_scores.score) - min(scoped_scores.score) as score_range,
        100 * count(case when {{ comparable('scoped_scores.score') }} > 0 then 1 end)
        / nullif(cast(count(scoped_scores.score) as double), 0) as share_above_zero,
        count(case when {{ comparable('scoped_scores.score') }} >= scales.scale_max then 1 end) as full_score_count,
        max(scales.scale_max) as scale_max
    from scoped_scores
    inner join scales
        on
            scoped_scores.index_code = scales.index_code
            and scoped_scores.edition = scales.edition
    inner join cities
        on scoped_scores.city_code = cities.city_code
    group by
        scoped_scores.index_code,
        scoped_scores.edition,
        scoped_scores.scope,
        scoped_scores.indicator_code

),

weights as (

    select
        index_code,
        edition,
        'indicator:' || indicator_code as scope,
        indicator_code,
        100 * weight as weight_percent
    from indicators

),

tier_bounds as (

    select
        roots.index_code,
        roots.edition,
        'tier:' || tiers.tier_code as scope,
        roots.indicator_code,
        tiers.lower_bound_score as score_lower_bound,
        tiers.upper_bound_score as score_upper_bound
    from tiers
    inner join roots
        on tiers.index_code = roots.index_code

),

cluster_figures as (

    select
        cluster_scores.index_code,
        cluster_scores.edition,
        'cluster:' || cluster_scores.cluster_code as scope,
        cluster_scores.indicator_code,
        cluster_scores.gdp_weighted_score,
        clusters.member_count,
        clusters.core_city_count
    from cluster_scores
    inner join clusters
        on cluster_scores.cluster_code = clusters.cluster_code

),

clusters_above_mean as (

    select
        group_figures.index_code,
        group_figures.edition,
        group_figures.scope,
        group_figures.indicator_code,
        count(
            case when cluster_figures.gdp_weighted_score > group_figures.mean_score then 1 end
        ) as clusters_above_mean
    from group_figures
    inner join cluster_figures
        on
            group_figures.index_code = cluster_figures.index_code
            and group_figures.edition = cluster_figures.edition
            and group_figures.indicator_code = cluster_figures.indicator_code
    where group_figures.scope = 'national'
    group by
        group_figures.index_code,
        group_figures.edition,
        group_figures.scope,
        group_figures.indicator_code

),

city_figures as (

    select
        city_scores.index_code,
        city_scores.edition,
        'city:' || city_scores.city_code as scope,
        roots.indicator_code,
        city_scores.total_score,
        city_scores.total_rank,
        tiers.tier_ordinal
    from city_scores
    inner join roots
        on
            city_scores.index_code = roots.index_code
            and city_scores.edition = roots.edition
    left join tiers
        on
            city_scores.index_code = tiers.index_code
            and city_scores.tier_code = tiers.tier_code

),

final as (

    {{ long_form('group_figures', [
        'city_count', 'province_count', 'mean_score', 'min_score', 'max_score', 'score_range', 'share_above_zero',
        'full_score_count', 'scale_max'
    ]) }}
    union all
    {{ long_form('weights', ['weight_percent']) }}
    union all
    {{ long_form('tier_bounds', ['score_lower_bound', 'score_upper_bound']) }}
    union all
    {{ long_form('cluster_figures', ['gdp_weighted_score', 'member_count', 'core_city_count']) }}
    union all
    {{ long_form('clusters_above_mean', ['clusters_above_mean']) }}
    union all
    {{ long_form('city_figures', ['total_score', 'total_rank', 'tier_ordinal']) }}

)

select * from final
