with

indicator_scores as (

    select * from {{ ref('int_indicator_scores') }}

),

final as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        level,
        score,
        rank,
        contribution,
        contribution_method,
        coverage_share,
        child_coverage_share,
        weighted_coverage_share,
        is_imputed,
        missing_reason,
        provenance
    from indicator_scores

)

select * from final
