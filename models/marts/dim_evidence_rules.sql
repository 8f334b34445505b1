with

rules as (

    select * from {{ ref('stg_evidence_rules') }}

),

words as (

    select * from {{ ref('stg_evidence_words') }}

),

final as (

    select
        rules.rule_code,
        rules.indicator_code,
        rules.kind,
        rules.bonus,
        rules.rule_order,
        {%- for role in ['any', 'also', 'never'] %}
        {{ joined_text("case when words.role = '" ~ role ~ "' then words.word end", ', ', 'words.word') }}
            as {{ role }}_words,
        {%- endfor %}
        rules.note
    from rules
    inner join words
        on rules.rule_code = words.rule_code
    group by
        rules.rule_code,
        rules.indicator_code,
        rules.kind,
        rules.bonus,
        rules.rule_order,
        rules.note

)

select * from final
