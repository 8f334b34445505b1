with

quarantined_rows as (

    select * from {{ ref('int_quarantined_rows') }}

),

final as (

    select
        batch_id,
        kind,
        reason,
        count(*) as quarantined_count,
        count(case when status = 'open' then 1 end) as open_count
    from quarantined_rows
    group by batch_id, kind, reason

)

select * from final
