with

evidence as (

    select * from {{ ref('stg_evidence') }}

),

groups as (

    select * from {{ ref('int_evidence_groups') }}

),

-- The number stands for the identifier where words are looked for, which makes one row per word.
final as (

    select
        row_number() over (order by evidence.evidence_id) as record_number,
        evidence.evidence_id,
        evidence.kind,
        evidence.status as given_status,
        groups.label_code,
        {{ clean_text('evidence.title') }} as clean_title,
        {{ clean_text("coalesce(evidence.text, '')") }} as clean_text
    from evidence
    inner join groups
        on evidence.evidence_id = groups.evidence_id
    where groups.original_id = groups.evidence_id

)

select * from final
