with

originals as (

    select * from {{ ref('int_evidence_originals') }}

),

vocabulary as (

    select * from {{ ref('int_evidence_vocabulary') }}

),

title_pairs as (

    {{ character_pairs('originals', ['record_number'], 'clean_title') | indent(4) }}

),

text_pairs as (

    {{ character_pairs('originals', ['record_number'], 'clean_text') | indent(4) }}

),

found as (

    select
        title_pairs.record_number,
        vocabulary.word_number,
        2 as place
    from title_pairs
    inner join vocabulary
        on
            title_pairs.pair = vocabulary.pair
            and substr(title_pairs.piece, title_pairs.position, vocabulary.word_length) = vocabulary.word
    union all
    select
        text_pairs.record_number,
        vocabulary.word_number,
        1 as place
    from text_pairs
    inner join vocabulary
        on
            text_pairs.pair = vocabulary.pair
            and substr(text_pairs.piece, text_pairs.position, vocabulary.word_length) = vocabulary.word

),

-- A word counts once in a record, and twice as much in the title as in the text.
final as (

    select
        record_number,
        word_number,
        max(place) as place
    from found
    group by record_number, word_number

)

select * from final
