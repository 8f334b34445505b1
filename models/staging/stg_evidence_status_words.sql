with

evidence_status_words as (

    select * from {{ ref('evidence_status_words') }}

),

final as (

    select
        status,
        word
    from evidence_status_words

)

select * from final
