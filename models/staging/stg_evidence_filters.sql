with

evidence_filters as (

    select * from {{ ref('evidence_filters') }}

),

final as (

    select
        filter_code,
        word,
        nullif(trim(note), '') as note
    from evidence_filters

)

select * from final
