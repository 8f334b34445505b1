{%- set primary_slots = var('report_primary_slots') -%}
with

city_scores as (

    select * from {{ ref('fct_city_scores') }}

),

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

cities as (

    select * from {{ ref('dim_cities') }}

),

tiers as (

    select * from {{ ref('dim_tiers') }}

),

clusters as (

    select * from {{ ref('dim_clusters') }}

),

editions as (

    select * from {{ ref('dim_editions') }}

),

rank_intervals as (

    select * from {{ ref('fct_rank_intervals') }}

),

pair_robustness as (

    select * from {{ ref('fct_pair_robustness') }}

),

-- How sure the rank of the total is, where the weights alone are others and where the methods are too.
total_intervals as (

    select
        rank_intervals.index_code,
        rank_intervals.edition,
        rank_intervals.city_code,
        {%- for scenario in ['weights', 'method'] %}
        max(case when rank_intervals.scenario = '{{ scenario }}' then rank_intervals.rank_p05 end)
            as {{ scenario }}_rank_p05,
        max(case when rank_intervals.scenario = '{{ scenario }}' then rank_intervals.rank_p95 end)
            as {{ scenario }}_rank_p95
        {{- ',' if not loop.last }}
        {%- endfor %}
    from rank_intervals
    inner join indicators
        on
            rank_intervals.index_code = indicators.index_code
            and rank_intervals.edition = indicators.edition
            and rank_intervals.indicator_code = indicators.indicator_code
    where indicators.level = 0
    group by rank_intervals.index_code, rank_intervals.edition, rank_intervals.city_code

),

ties as (

    select
        pair_robustness.index_code,
        pair_robustness.edition,
        pair_robustness.upper_city_code as city_code,
        pair_robustness.is_tie_in_practice
    from pair_robustness
    inner join indicators
        on
            pair_robustness.index_code = indicators.index_code
            and pair_robustness.edition = indicators.edition
            and pair_robustness.indicator_code = indicators.indicator_code
    where
        indicators.level = 0
        and pair_robustness.scenario = 'weights'

),

-- The primaries in the order of their weight.
primaries as (

    select
        index_code,
        edition,
        indicator_code,
        name_zh,
        name_en,
        row_number() over (
            partition by index_code, edition
            order by effective_weight desc, indicator_code
        ) as slot
    from indicators
    where level = 1

),

primary_columns as (

    select
        indicator_scores.index_code,
        indicator_scores.edition,
        indicator_scores.city_code,
        {%- for slot in range(1, primary_slots + 1) %}
        max(case when primaries.slot = {{ slot }} then primaries.name_zh end) as primary_{{ slot }}_name_zh,
        max(case when primaries.slot = {{ slot }} then primaries.name_en end) as primary_{{ slot }}_name_en,
        max(case when primaries.slot = {{ slot }} then indicator_scores.score end) as primary_{{ slot }}_score
        {{- "," if not loop.last }}
        {%- endfor %}
    from indicator_scores
    inner join primaries
        on
            indicator_scores.index_code = primaries.index_code
            and indicator_scores.edition = primaries.edition
            and indicator_scores.indicator_code = primaries.indicator_code
    group by
        indicator_scores.index_code,
        indicator_scores.edition,
        indicator_scores.city_code

),

final as (

    select
        city_scores.index_code,
        city_scores.edition,
        city_scores.city_code,
        editions.title_zh,
        editions.title_en,
        editions.publisher_zh,
        editions.publisher_en,
        city_scores.total_rank,
        total_intervals.weights_rank_p05 as rank_p05,
        total_intervals.weights_rank_p95 as rank_p95,
        total_intervals.method_rank_p05,
        total_intervals.method_rank_p95,
        ties.is_tie_in_practice as is_tied_with_next,
        cities.name_zh as city_zh,
        cities.name_en as city_en,
        cities.province_zh,
        cities.province_en,
        {{ rounded('city_scores.total_score', 'editions.report_decimals') | indent(8) }} as total_score,
        tiers.name_zh as tier_zh,
        tiers.name_en as tier_en,
        clusters.name_zh as cluster_zh,
        clusters.name_en as cluster_en,
        city_scores.rank_in_province,
        city_scores.rank_in_cluster,
        city_scores.rank_in_tier,
        {%- for slot in range(1, primary_slots + 1) %}
        primary_columns.primary_{{ slot }}_name_zh,
        primary_columns.primary_{{ slot }}_name_en,
        {{ rounded('primary_columns.primary_' ~ slot ~ '_score', 'editions.report_decimals') | indent(8) }}
            as primary_{{ slot }}_score,
        {%- endfor %}
        round(100 * city_scores.coverage_share, {{ var('report_decimals') }}) as coverage_percent,
        city_scores.status,
        city_scores.is_imputed,
        city_scores.provenance,
        city_scores.is_synthetic,
        round(100 * editions.assumed_weight_share, {{ var('report_decimals') }}) as assumed_weight_percent,
        {{ edition_notice('editions', 'zh') | indent(8) }} as notice_zh,
        {{ edition_notice('editions', 'en') | indent(8) }} as notice_en
    from city_scores
    inner join cities
        on city_scores.city_code = cities.city_code
    inner join editions
        on
            city_scores.index_code = editions.index_code
            and city_scores.edition = editions.edition
    left join total_intervals
        on
            city_scores.index_code = total_intervals.index_code
            and city_scores.edition = total_intervals.edition
            and city_scores.city_code = total_intervals.city_code
    left join ties
        on
            city_scores.index_code = ties.index_code
            and city_scores.edition = ties.edition
            and city_scores.city_code = ties.city_code
    left join primary_columns
        on
            city_scores.index_code = primary_columns.index_code
            and city_scores.edition = primary_columns.edition
            and city_scores.city_code = primary_columns.city_code
    left join tiers
        on
            city_scores.index_code = tiers.index_code
            and city_scores.tier_code = tiers.tier_code
    left join clusters
        on city_scores.cluster_code = clusters.cluster_code

)

select * from final
