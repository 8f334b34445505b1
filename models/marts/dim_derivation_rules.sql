with

rules as (

    select * from {{ ref('stg_derivation_rules') }}

),

final as (

    select
        rule_code,
        index_code,
        indicator_code,
        since_edition,
        feed,
        formula,
        standard_code,
        standard_version,
        least_grade,
        weighting,
        least_coverage_share,
        status,
        note
    from rules

)

select * from final
