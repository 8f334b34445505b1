with

published_facts as (

    select * from {{ ref('published_facts') }}

),

final as (

    select
        fact_id,
        source_document,
        nullif(trim(index_code), '') as index_code,
        nullif(trim(edition), '') as edition,
        scope,
        indicator,
        nullif(trim(period), '') as period,
        operator,
        value,
        unit,
        kind,
        quote,
        confidence,
        nullif(trim(note), '') as note
    from published_facts

)

select * from final
