with

evidence_default_statuses as (

    select * from {{ ref('evidence_default_statuses') }}

),

final as (

    select
        kind,
        coalesce(trim(indicator_code), '') as indicator_code,
        status
    from evidence_default_statuses

)

select * from final
