with

indicators as (

    select * from {{ ref('int_change_indicators') }}

),

tertiary_scores as (

    select * from {{ ref('int_tertiary_scores') }}
    where scenario = 'published'

),

totals as (

    select * from {{ ref('int_total_scores') }}
    where scenario = 'published'

),

editions as (

    select * from {{ ref('int_edition_settings') }}

),

-- A change is that of a city with a total in both editions.
changed_cities as (

    select
        totals.index_code,
        totals.edition,
        totals.city_code,
        editions.previous_edition,
        previous_totals.score as previous_score,
        totals.score
    from totals
    inner join editions
        on
            totals.index_code = editions.index_code
            and totals.edition = editions.edition
    inner join totals as previous_totals
        on
            editions.index_code = previous_totals.index_code
            and editions.previous_edition = previous_totals.edition
            and totals.city_code = previous_totals.city_code
    where
        totals.score is not null
        and previous_totals.score is not null

),

step_tertiaries as (

    select
        indicators.scenario,
        indicators.index_code,
        indicators.edition,
        tertiary_scores.city_code,
        tertiary_scores.indicator_code,
        tertiary_scores.score,
        tertiary_scores.tertiary_count,
        tertiary_scores.observed_tertiary_count,
        tertiary_scores.imputed_tertiary_count,
        tertiary_scores.weighted_coverage_share,
        tertiary_scores.first_provenance,
        tertiary_scores.last_provenance
    from indicators
    inner join tertiary_scores
        on
            indicators.index_code = tertiary_scores.index_code
            and indicators.data_edition = tertiary_scores.edition
            and indicators.indicator_code = tertiary_scores.indicator_code
    inner join changed_cities
        on
            indicators.index_code = changed_cities.index_code
            and indicators.edition = changed_cities.edition
            and tertiary_scores.city_code = changed_cities.city_code
    where indicators.is_leaf

),

nodes as (

    {{ tree_scores('step_tertiaries', ref('int_change_indicators')) | indent(4) }}

),

step_totals as (

    select
        nodes.index_code,
        nodes.edition,
        nodes.city_code,
        max(case when nodes.scenario = 'previous_data' then nodes.score end) as previous_data_score,
        max(case when nodes.scenario = 'new_data' then nodes.score end) as new_data_score,
        max(case when nodes.scenario = 'new_weights' then nodes.score end) as new_weights_score
    from nodes
    inner join indicators
        on
            nodes.scenario = indicators.scenario
            and nodes.index_code = indicators.index_code
            and nodes.edition = indicators.edition
            and nodes.indicator_code = indicators.indicator_code
    where indicators.level = 0
    group by nodes.index_code, nodes.edition, nodes.city_code

),

final as (

    select
        changed_cities.index_code,
        changed_cities.edition,
        changed_cities.previous_edition,
        changed_cities.city_code,
        changed_cities.previous_score,
        step_totals.previous_data_score,
        step_totals.new_data_score,
        step_totals.new_weights_score,
        changed_cities.score
    from changed_cities
    left join step_totals
        on
            changed_cities.index_code = step_totals.index_code
            and changed_cities.edition = step_totals.edition
            and changed_cities.city_code = step_totals.city_code

)

select * from final
