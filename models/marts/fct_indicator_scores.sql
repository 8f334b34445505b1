with

indicator_scores as (

    select * from {{ ref('int_indicator_scores') }}

),

edition_dates as (

    select * from {{ ref('int_edition_dates') }}

),

observations as (

    select * from {{ ref('int_observations') }}

),

final as (

    select
        indicator_scores.index_code,
        indicator_scores.edition,
        indicator_scores.city_code,
        indicator_scores.indicator_code,
        indicator_scores.level,
        indicator_scores.score,
        indicator_scores.rank,
        indicator_scores.contribution,
        indicator_scores.contribution_method,
        indicator_scores.coverage_share,
        indicator_scores.child_coverage_share,
        indicator_scores.weighted_coverage_share,
        indicator_scores.is_imputed,
        indicator_scores.missing_reason,
        indicator_scores.provenance,
        case when indicator_scores.provenance = 'derived' then observations.rule_code end as rule_code,
        edition_dates.is_synthetic
    from indicator_scores
    inner join edition_dates
        on
            indicator_scores.index_code = edition_dates.index_code
            and indicator_scores.edition = edition_dates.edition
    left join observations
        on
            indicator_scores.index_code = observations.index_code
            and indicator_scores.edition = observations.edition
            and indicator_scores.city_code = observations.city_code
            and indicator_scores.indicator_code = observations.indicator_code

)

select * from final
