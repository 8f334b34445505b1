with

published_facts as (

    select * from {{ ref('stg_published_facts') }}

),

measures as (

    select * from {{ ref('stg_published_fact_measures') }}

),

-- What the documents print and the index does not compute.
final as (

    select
        published_facts.fact_id,
        published_facts.source_document,
        published_facts.scope,
        published_facts.indicator,
        published_facts.period,
        published_facts.operator,
        published_facts.value,
        published_facts.unit,
        published_facts.quote,
        published_facts.confidence,
        {{ both_notes('published_facts.note', 'measures.note') }} as note
    from published_facts
    inner join measures
        on published_facts.indicator = measures.indicator
    where measures.measure_code is null

)

select * from final
