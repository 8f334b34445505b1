with

originals as (

    select * from {{ ref('int_evidence_originals') }}

),

traces as (

    select * from {{ ref('int_evidence_traces') }}

),

word_hits as (

    select * from {{ ref('int_evidence_word_hits') }}

),

vocabulary as (

    select * from {{ ref('int_evidence_vocabulary') }}

),

filters as (

    select * from {{ ref('stg_evidence_filters') }}

),

status_words as (

    select * from {{ ref('stg_evidence_status_words') }}

),

stages as (

    select * from {{ ref('stg_evidence_stages') }}

),

default_statuses as (

    select * from {{ ref('stg_evidence_default_statuses') }}

),

filtered as (

    select
        word_hits.record_number,
        min(filters.filter_code) as filter_code
    from word_hits
    inner join vocabulary
        on word_hits.word_number = vocabulary.word_number
    inner join filters
        on vocabulary.word = filters.word
    where word_hits.place = 2
    group by word_hits.record_number

),

-- The title is asked before the text; of several stages the one that is read first holds.
status_hits as (

    select
        word_hits.record_number,
        status_words.status,
        status_words.word,
        row_number() over (
            partition by word_hits.record_number
            order by
                word_hits.place desc,
                stages.reading_order,
                vocabulary.word_length desc,
                status_words.word
        ) as preference
    from word_hits
    inner join vocabulary
        on word_hits.word_number = vocabulary.word_number
    inner join status_words
        on vocabulary.word = status_words.word
    inner join stages
        on status_words.status = stages.status

),

sorted as (

    select
        originals.record_number,
        originals.evidence_id,
        originals.kind,
        originals.given_status,
        filtered.filter_code,
        case
            when originals.label_code is not null then 'manual'
            when filtered.filter_code is not null then 'filtered'
            when traces.indicator_code is not null then 'rule'
            else 'unclassified'
        end as classification,
        case
            when originals.label_code is not null then originals.label_code
            when filtered.filter_code is null then traces.indicator_code
        end as indicator_code,
        traces.rule_code,
        traces.points,
        traces.matched_words,
        traces.rule_trace
    from originals
    left join filtered
        on originals.record_number = filtered.record_number
    left join traces
        on originals.record_number = traces.record_number

),

final as (

    select
        sorted.evidence_id,
        sorted.filter_code,
        sorted.classification,
        sorted.indicator_code,
        sorted.rule_code,
        sorted.points,
        sorted.matched_words,
        sorted.rule_trace,
        coalesce(sorted.given_status, status_hits.status, of_tertiary.status, of_kind.status) as status,
        case
            when sorted.given_status is not null then 'given'
            when status_hits.status is not null then 'word'
            else 'kind'
        end as status_source,
        case when sorted.given_status is null then status_hits.word end as status_word
    from sorted
    left join status_hits
        on
            sorted.record_number = status_hits.record_number
            and status_hits.preference = 1
    left join default_statuses as of_tertiary
        on
            sorted.kind = of_tertiary.kind
            and sorted.indicator_code = of_tertiary.indicator_code
    left join default_statuses as of_kind
        on
            sorted.kind = of_kind.kind
            and of_kind.indicator_code = ''

)

select * from final
