with

evidence as (

    select * from {{ ref('stg_evidence') }}

),

groups as (

    select * from {{ ref('int_evidence_groups') }}

),

-- A first record without its text is read with that of the first repeat that has one: it is the same document.
texts as (

    select
        groups.original_id,
        evidence.text,
        row_number() over (
            partition by groups.original_id
            order by evidence.published_on, evidence.evidence_id
        ) as place
    from groups
    inner join evidence
        on groups.evidence_id = evidence.evidence_id
    where evidence.text is not null

),

-- The number stands for the identifier where words are looked for, which makes one row per word.
final as (

    select
        row_number() over (order by evidence.evidence_id) as record_number,
        evidence.evidence_id,
        evidence.kind,
        evidence.status as given_status,
        evidence.indicator_code as label_code,
        {{ clean_text('evidence.title') }} as clean_title,
        {{ clean_text("coalesce(texts.text, '')") }} as clean_text
    from evidence
    inner join groups
        on evidence.evidence_id = groups.evidence_id
    left join texts
        on
            evidence.evidence_id = texts.original_id
            and texts.place = 1
    where groups.original_id = groups.evidence_id

)

select * from final
