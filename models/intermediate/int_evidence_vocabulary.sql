with

words as (

    select word from {{ ref('stg_evidence_words') }}
    union
    select word from {{ ref('stg_evidence_filters') }}
    union
    select word from {{ ref('stg_evidence_status_words') }}

),

-- Every word has at least two characters, so its first two tell where it may stand.
final as (

    select
        word,
        row_number() over (order by word) as word_number,
        length(word) as word_length,
        substr(word, 1, 2) as pair
    from words

)

select * from final
