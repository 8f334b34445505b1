with

derivation_rules as (

    select * from {{ ref('derivation_rules') }}

),

final as (

    select
        rule_code,
        index_code,
        indicator_code,
        since_edition,
        feed,
        formula,
        nullif(trim(standard_code), '') as standard_code,
        nullif(trim(standard_version), '') as standard_version,
        nullif(trim(least_grade), '') as least_grade,
        nullif(trim(weighting), '') as weighting,
        least_coverage_share,
        status,
        note
    from derivation_rules

)

select * from final
