with

quarantined_rows as (

    select * from {{ ref('int_quarantined_rows') }}

),

refused_files as (

    select * from {{ source('landed', 'refused_files') }}

),

-- A refused file stands with row 0: none of its rows was read, and it still lies in the landing folder.
final as (

    select
        batch_id,
        file_name,
        row_number,
        kind,
        reason,
        detail,
        raw_row,
        row_key,
        received_at_utc,
        status
    from quarantined_rows
    where place <= {{ var('quarantine_rows_per_batch') }}
    union all
    select
        'refused' as batch_id,
        file_name,
        cast(0 as bigint) as row_number,
        coalesce(kind, 'unknown') as kind,
        reason,
        detail,
        cast(null as string) as raw_row,
        cast(null as string) as row_key,
        cast(null as timestamp) as received_at_utc,
        'open' as status
    from refused_files

)

select * from final
