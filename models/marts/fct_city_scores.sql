with

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

city_tiers as (

    select * from {{ ref('int_city_tiers') }}

),

cities as (

    select * from {{ ref('dim_cities') }}

),

edition_dates as (

    select * from {{ ref('int_edition_dates') }}

),

placed as (

    select
        indicator_scores.index_code,
        indicator_scores.edition,
        indicator_scores.city_code,
        indicator_scores.score as total_score,
        indicator_scores.rank as total_rank,
        city_tiers.tier_code,
        cities.cluster_code,
        coalesce(cities.province_zh, cities.province_en) as province,
        indicator_scores.coverage_share,
        indicator_scores.is_imputed,
        indicator_scores.provenance,
        edition_dates.is_synthetic
    from indicator_scores
    inner join edition_dates
        on
            indicator_scores.index_code = edition_dates.index_code
            and indicator_scores.edition = edition_dates.edition
    inner join cities
        on indicator_scores.city_code = cities.city_code
    left join city_tiers
        on
            indicator_scores.index_code = city_tiers.index_code
            and indicator_scores.edition = city_tiers.edition
            and indicator_scores.city_code = city_tiers.city_code
    where indicator_scores.level = 0

),

ranked as (

    select
        *,
        {{ descending_rank('total_score', ['index_code', 'edition', 'province']) }} as rank_in_province,
        {{ descending_rank('total_score', ['index_code', 'edition', 'cluster_code']) }} as rank_in_cluster,
        {{ descending_rank('total_score', ['index_code', 'edition', 'tier_code']) }} as rank_in_tier
    from placed

),

-- A city outside every province, cluster or tier has no rank there.
final as (

    select
        index_code,
        edition,
        city_code,
        total_score,
        total_rank,
        tier_code,
        cluster_code,
        case when province is not null then rank_in_province end as rank_in_province,
        case when cluster_code is not null then rank_in_cluster end as rank_in_cluster,
        case when tier_code is not null then rank_in_tier end as rank_in_tier,
        coverage_share,
        is_imputed,
        case
            when total_score is null then 'not_scored'
            when coverage_share < 1 then 'partial'
            else 'complete'
        end as status,
        provenance,
        is_synthetic
    from ranked

)

select * from final
