with

evidence_words as (

    select * from {{ ref('evidence_words') }}

),

final as (

    select
        rule_code,
        role,
        word
    from evidence_words

)

select * from final
