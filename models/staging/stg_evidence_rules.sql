with

evidence_rules as (

    select * from {{ ref('evidence_rules') }}

),

final as (

    select
        rule_code,
        indicator_code,
        nullif(trim(kind), '') as kind,
        bonus,
        nullif(trim(note), '') as note,
        rule_order
    from evidence_rules

)

select * from final
