with

evidence as (

    select * from {{ ref('stg_evidence') }}

),

groups as (

    select * from {{ ref('int_evidence_groups') }}

),

classes as (

    select * from {{ ref('int_evidence_classes') }}

),

stages as (

    select * from {{ ref('stg_evidence_stages') }}

),

final as (

    select
        evidence.evidence_id,
        evidence.city_code,
        evidence.kind,
        evidence.title,
        evidence.published_on,
        evidence.publisher,
        evidence.url,
        classes.indicator_code,
        classes.classification,
        evidence.indicator_code as label_code,
        classes.rule_code,
        classes.matched_words,
        cast(classes.points as int) as rule_points,
        classes.rule_trace,
        classes.filter_code,
        classes.status,
        classes.status_source,
        classes.status_word,
        stages.stage_number,
        stages.points as stage_points,
        case when groups.original_id <> evidence.evidence_id then groups.original_id end as duplicate_of,
        groups.original_id = evidence.evidence_id and classes.indicator_code is not null as is_counted,
        evidence.is_synthetic,
        evidence.batch_id,
        evidence.file_name
    from evidence
    inner join groups
        on evidence.evidence_id = groups.evidence_id
    inner join classes
        on groups.original_id = classes.evidence_id
    inner join stages
        on classes.status = stages.status

)

select * from final
