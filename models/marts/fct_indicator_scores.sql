with

indicator_scores as (

    select * from {{ ref('int_indicator_scores') }}

),

edition_dates as (

    select * from {{ ref('int_edition_dates') }}

),

-- Most observations are given, and have no rule.
ruled_observations as (

    select * from {{ ref('int_observations') }}
    where rule_code is not null

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
        case when indicator_scores.provenance = 'derived' then ruled_observations.rule_code end as rule_code,
        edition_dates.is_synthetic
    from indicator_scores
    inner join edition_dates
        on
            indicator_scores.index_code = edition_dates.index_code
            and indicator_scores.edition = edition_dates.edition
    left join ruled_observations
        on
            indicator_scores.index_code = ruled_observations.index_code
            and indicator_scores.edition = ruled_observations.edition
            and indicator_scores.city_code = ruled_observations.city_code
            and indicator_scores.indicator_code = ruled_observations.indicator_code

)

select * from final
