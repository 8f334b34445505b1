with

indicators as (

    select * from {{ ref('int_indicators') }}

),

weight_sets as (

    select * from {{ ref('fct_weight_sets') }}
    where weight_set <> 'printed'

),

tertiary_scores as (

    select * from {{ ref('int_tertiary_scores') }}
    where scenario = 'published'

),

total_scores as (

    select * from {{ ref('int_total_scores') }}

),

city_scores as (

    select * from {{ ref('fct_city_scores') }}

),

method_editions as (

    select distinct
        scenario,
        index_code,
        edition,
        method_edition
    from {{ ref('int_scenario_indicators') }}

),

weighted_indicators as (

    select
        'weights_' || weight_sets.weight_set as scenario,
        indicators.index_code,
        indicators.edition,
        indicators.indicator_code,
        indicators.parent_code,
        indicators.level,
        weight_sets.weight,
        indicators.aggregation,
        indicators.missing_policy,
        indicators.min_coverage
    from indicators
    inner join weight_sets
        on
            indicators.index_code = weight_sets.index_code
            and indicators.edition = weight_sets.edition
            and indicators.indicator_code = weight_sets.indicator_code

),

-- The published tertiary scores, once for each set of weights.
weighted_tertiaries as (

    select
        weighted_indicators.scenario,
        tertiary_scores.index_code,
        tertiary_scores.edition,
        tertiary_scores.city_code,
        tertiary_scores.indicator_code,
        tertiary_scores.score,
        tertiary_scores.tertiary_count,
        tertiary_scores.observed_tertiary_count,
        tertiary_scores.imputed_tertiary_count,
        tertiary_scores.weighted_coverage_share,
        tertiary_scores.first_provenance,
        tertiary_scores.last_provenance
    from tertiary_scores
    inner join weighted_indicators
        on
            tertiary_scores.index_code = weighted_indicators.index_code
            and tertiary_scores.edition = weighted_indicators.edition
            and tertiary_scores.indicator_code = weighted_indicators.indicator_code

),

weighted_nodes as (

    {{ tree_scores('weighted_tertiaries', 'weighted_indicators') | indent(4) }}

),

totals as (

    select
        'weight_set' as scenario_kind,
        weighted_nodes.edition as method_edition,
        weighted_nodes.*
    from weighted_nodes
    inner join weighted_indicators
        on
            weighted_nodes.scenario = weighted_indicators.scenario
            and weighted_nodes.index_code = weighted_indicators.index_code
            and weighted_nodes.edition = weighted_indicators.edition
            and weighted_nodes.indicator_code = weighted_indicators.indicator_code
            and weighted_indicators.level = 0
    union all
    select
        'method' as scenario_kind,
        method_editions.method_edition,
        total_scores.*
    from total_scores
    inner join method_editions
        on
            total_scores.scenario = method_editions.scenario
            and total_scores.index_code = method_editions.index_code
            and total_scores.edition = method_editions.edition
    where total_scores.scenario <> 'published'

),

ranked as (

    select
        *,
        {{ descending_rank('score', ['index_code', 'edition', 'scenario']) }} as total_rank
    from totals

),

final as (

    select
        ranked.index_code,
        ranked.edition,
        ranked.scenario,
        ranked.city_code,
        ranked.scenario_kind,
        ranked.method_edition,
        ranked.score as total_score,
        ranked.total_rank,
        city_scores.total_score as published_score,
        city_scores.total_rank as published_rank,
        city_scores.total_rank - ranked.total_rank as rank_change,
        case
            when ranked.first_provenance = ranked.last_provenance then ranked.first_provenance
            when ranked.first_provenance is not null then 'mixed'
        end as provenance
    from ranked
    inner join city_scores
        on
            ranked.index_code = city_scores.index_code
            and ranked.edition = city_scores.edition
            and ranked.city_code = city_scores.city_code

)

select * from final
