{%- set later_places = range(2, var('evidence_traced_rules') + 1) -%}

with

fired_rules as (

    select * from {{ ref('int_evidence_fired_rules') }}

),

vocabulary as (

    select * from {{ ref('int_evidence_vocabulary') }}

),

-- The rules with the most points, each with the words that brought them.
worded as (

    select
        fired_rules.record_number,
        fired_rules.place,
        fired_rules.rule_code,
        fired_rules.indicator_code,
        fired_rules.points,
        any_words.word || coalesce(', ' || also_words.word, '') as matched_words
    from fired_rules
    inner join vocabulary as any_words
        on fired_rules.any_word_number = any_words.word_number
    left join vocabulary as also_words
        on fired_rules.also_word_number = also_words.word_number
    where fired_rules.place <= {{ var('evidence_traced_rules') }}

),

told as (

    select
        *,
        rule_code || ' ' || cast(points as string) || ' (' || matched_words || ')' as rule_in_words
    from worded

),

-- Joined place by place, not aggregated: texts that are being aggregated cannot go to disk where memory is short.
final as (

    select
        rule_1.record_number,
        rule_1.rule_code,
        rule_1.indicator_code,
        rule_1.points,
        rule_1.matched_words,
        rule_1.rule_in_words
        {%- for place in later_places %}
        || coalesce('; ' || rule_{{ place }}.rule_in_words, '')
        {%- endfor %} as rule_trace
    from told as rule_1
    {%- for place in later_places %}
    left join told as rule_{{ place }}
        on
            rule_1.record_number = rule_{{ place }}.record_number
            and rule_{{ place }}.place = {{ place }}
    {%- endfor %}
    where rule_1.place = 1

)

select * from final
