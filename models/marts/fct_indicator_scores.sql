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
        coverage_share,
        false as is_imputed,
        provenance
    from indicator_scores

)

select * from final
