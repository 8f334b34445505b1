-- Every figure that a printed fact can be held against, in long form: one row per scope, measure and indicator.

with

indicator_scores as (

    select * from {{ ref('int_indicator_scores') }}

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
        concat('tier:', city_scores.tier_code) as scope,
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
        cast(count(scoped_scores.score) as double) as city_count,
        cast(count(distinct cities.province_zh) as double) as province_count,
        {{ stable_mean('scoped_scores.score') }} as mean_score,
        min(scoped_scores.score) as min_score,
        max(scoped_scores.score) as max_score,
        100 * count(case when {{ comparable('scoped_scores.score') }} > 0 then 1 end)
        / nullif(cast(count(scoped_scores.score) as double), 0) as share_above_zero,
        cast(
            count(case when {{ comparable('scoped_scores.score') }} >= scales.scale_max then 1 end) as double
        ) as full_score_count,
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

total_cluster_scores as (

    select
        cluster_scores.index_code,
        cluster_scores.edition,
        cluster_scores.cluster_code,
        cluster_scores.indicator_code,
        cluster_scores.gdp_weighted_score
    from cluster_scores
    inner join indicators
        on
            cluster_scores.index_code = indicators.index_code
            and cluster_scores.edition = indicators.edition
            and cluster_scores.indicator_code = indicators.indicator_code
    where indicators.level = 0

),

measures as (

    {% for measure in [
        'city_count', 'province_count', 'mean_score', 'min_score', 'max_score', 'share_above_zero', 'full_score_count',
        'scale_max'
    ] %}
    select
        index_code,
        edition,
        scope,
        indicator_code,
        '{{ measure }}' as measure_code,
        {{ measure }} as value
    from group_figures
    union all
    {% endfor %}
    select
        index_code,
        edition,
        scope,
        indicator_code,
        'score_range' as measure_code,
        max_score - min_score as value
    from group_figures
    union all
    select
        index_code,
        edition,
        concat('indicator:', indicator_code) as scope,
        indicator_code,
        'weight_percent' as measure_code,
        100 * weight as value
    from indicators
    union all
    select
        roots.index_code,
        roots.edition,
        concat('tier:', tiers.tier_code) as scope,
        roots.indicator_code,
        'score_lower_bound' as measure_code,
        tiers.lower_bound_score as value
    from tiers
    inner join indicators as roots
        on
            tiers.index_code = roots.index_code
            and roots.level = 0
    union all
    select
        roots.index_code,
        roots.edition,
        concat('tier:', tiers.tier_code) as scope,
        roots.indicator_code,
        'score_upper_bound' as measure_code,
        tiers.upper_bound_score as value
    from tiers
    inner join indicators as roots
        on
            tiers.index_code = roots.index_code
            and roots.level = 0
    union all
    select
        index_code,
        edition,
        concat('cluster:', cluster_code) as scope,
        indicator_code,
        'gdp_weighted_score' as measure_code,
        gdp_weighted_score as value
    from total_cluster_scores
    union all
    select
        total_cluster_scores.index_code,
        total_cluster_scores.edition,
        concat('cluster:', clusters.cluster_code) as scope,
        total_cluster_scores.indicator_code,
        'member_count' as measure_code,
        cast(clusters.member_count as double) as value
    from total_cluster_scores
    inner join clusters
        on total_cluster_scores.cluster_code = clusters.cluster_code
    union all
    select
        total_cluster_scores.index_code,
        total_cluster_scores.edition,
        concat('cluster:', clusters.cluster_code) as scope,
        total_cluster_scores.indicator_code,
        'core_city_count' as measure_code,
        cast(clusters.core_city_count as double) as value
    from total_cluster_scores
    inner join clusters
        on total_cluster_scores.cluster_code = clusters.cluster_code
    union all
    select
        total_cluster_scores.index_code,
        total_cluster_scores.edition,
        group_figures.scope,
        total_cluster_scores.indicator_code,
        'clusters_above_mean' as measure_code,
        cast(
            count(case when total_cluster_scores.gdp_weighted_score > group_figures.mean_score then 1 end) as double
        ) as value
    from total_cluster_scores
    inner join group_figures
        on
            total_cluster_scores.index_code = group_figures.index_code
            and total_cluster_scores.edition = group_figures.edition
            and total_cluster_scores.indicator_code = group_figures.indicator_code
    where group_figures.scope = 'national'
    group by
        total_cluster_scores.index_code,
        total_cluster_scores.edition,
        group_figures.scope,
        total_cluster_scores.indicator_code
    union all
    select
        index_code,
        edition,
        concat('city:', city_code) as scope,
        indicator_code,
        'total_rank' as measure_code,
        cast(rank as double) as value
    from indicator_scores
    where level = 0
    union all
    select
        index_code,
        edition,
        concat('city:', city_code) as scope,
        indicator_code,
        'total_score' as measure_code,
        score as value
    from indicator_scores
    where level = 0
    union all
    select
        city_scores.index_code,
        city_scores.edition,
        concat('city:', city_scores.city_code) as scope,
        roots.indicator_code,
        'tier_ordinal' as measure_code,
        cast(tiers.tier_ordinal as double) as value
    from city_scores
    inner join tiers
        on
            city_scores.index_code = tiers.index_code
            and city_scores.tier_code = tiers.tier_code
    inner join indicators as roots
        on
            city_scores.index_code = roots.index_code
            and city_scores.edition = roots.edition
            and roots.level = 0

),

final as (

    select
        index_code,
        edition,
        scope,
        measure_code,
        indicator_code,
        value
    from measures

)

select * from final
