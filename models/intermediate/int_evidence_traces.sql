{%- set places = range(1, var('evidence_traced_rules') + 1) -%}
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
        fired_rules.is_barred,
        never_words.word as never_word,
        any_words.word || coalesce(', ' || also_words.word, '') as matched_words
    from fired_rules
    inner join vocabulary as any_words
        on fired_rules.any_word_number = any_words.word_number
    left join vocabulary as also_words
        on fired_rules.also_word_number = also_words.word_number
    left join vocabulary as never_words
        on fired_rules.never_word_number = never_words.word_number
    where fired_rules.place <= {{ var('evidence_traced_rules') }}

),

told as (

    select
        *,
        rule_code || ' ' || cast(points as string) || ' (' || matched_words || ')' as rule_in_words
    from worded

),

barred as (

    select
        record_number,
        'barred by ' || never_word || ': ' || rule_in_words as rule_in_words
    from told
    where
        is_barred
        and place = 1

),

records as (

    select distinct record_number from told

),

-- Joined place by place, not aggregated: texts that are being aggregated cannot go to disk where memory is short.
final as (

    select
        records.record_number,
        rule_1.rule_code,
        rule_1.indicator_code,
        rule_1.points,
        rule_1.matched_words,
        coalesce(rule_1.rule_in_words, 'no rule')
        {%- for place in later_places %}
        || coalesce('; ' || rule_{{ place }}.rule_in_words, '')
        {%- endfor %}
        || coalesce('; ' || barred.rule_in_words, '') as rule_trace
    from records
    {%- for place in places %}
    left join told as rule_{{ place }}
        on
            records.record_number = rule_{{ place }}.record_number
            and rule_{{ place }}.place = {{ place }}
            and not rule_{{ place }}.is_barred
    {%- endfor %}
    left join barred
        on records.record_number = barred.record_number

)

select * from final
