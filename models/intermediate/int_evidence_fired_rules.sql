{#- More words than any taxonomy has. -#}
{%- set most_words = 1000000 -%}

with

originals as (

    select * from {{ ref('int_evidence_originals') }}

),

word_hits as (

    select * from {{ ref('int_evidence_word_hits') }}

),

vocabulary as (

    select * from {{ ref('int_evidence_vocabulary') }}

),

words as (

    select * from {{ ref('stg_evidence_words') }}

),

rules as (

    select * from {{ ref('stg_evidence_rules') }}

),

rule_words as (

    select
        words.rule_code,
        words.role,
        vocabulary.word_number,
        vocabulary.word_length,
        rules.rule_order
    from words
    inner join vocabulary
        on words.word = vocabulary.word
    inner join rules
        on words.rule_code = rules.rule_code

),

needs as (

    select
        rule_code,
        max(case when role = 'also' then 1 else 0 end) = 1 as needs_also
    from words
    group by rule_code

),

-- A rule that a word bars is kept apart, for it tells why another one decided. The word that brings most points, and of
-- equals the first: points and word as one number, of which the largest is taken, so that no text has to be kept for
-- every record and rule.
found as (

    select
        word_hits.record_number,
        rule_words.rule_order,
        {%- for role in ['any', 'also'] %}
        max(
            case
                when rule_words.role = '{{ role }}'
                    then
                        word_hits.place * rule_words.word_length * {{ most_words }}
                        + ({{ most_words }} - 1 - rule_words.word_number)
            end
        ) as {{ role }}_key,
        {%- endfor %}
        min(case when rule_words.role = 'never' and word_hits.place = 2 then rule_words.word_number end)
            as never_word_number
    from word_hits
    inner join rule_words
        on word_hits.word_number = rule_words.word_number
    group by word_hits.record_number, rule_words.rule_order

),

weighed as (

    select
        record_number,
        rule_order,
        never_word_number,
        {%- for role in ['any', 'also'] %}
        cast(floor({{ role }}_key / cast({{ most_words }} as double)) as bigint) as {{ role }}_points,
        {{ most_words }} - 1 - {{ role }}_key % {{ most_words }} as {{ role }}_word_number
        {{- ',' if not loop.last }}
        {%- endfor %}
    from found

),

fired as (

    select
        weighed.record_number,
        rules.rule_code,
        rules.indicator_code,
        weighed.rule_order,
        weighed.any_word_number,
        weighed.also_word_number,
        weighed.never_word_number,
        weighed.any_points + coalesce(weighed.also_points, 0) + rules.bonus as points
    from weighed
    inner join rules
        on weighed.rule_order = rules.rule_order
    inner join needs
        on rules.rule_code = needs.rule_code
    inner join originals
        on weighed.record_number = originals.record_number
    where
        weighed.any_points is not null
        and (weighed.also_points is not null or not needs.needs_also)
        and (rules.kind is null or rules.kind = originals.kind)

),

final as (

    select
        record_number,
        rule_code,
        indicator_code,
        points,
        any_word_number,
        also_word_number,
        never_word_number,
        never_word_number is not null as is_barred,
        row_number() over (
            partition by record_number, never_word_number is not null
            order by points desc, rule_order
        ) as place
    from fired

)

select * from final
