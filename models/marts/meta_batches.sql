with

batches as (

    select * from {{ source('landed', 'batches') }}

),

final as (

    select
        batch_id,
        batch_number,
        kind,
        file_name,
        file_sha256,
        received_at_utc,
        received_count,
        accepted_count,
        quarantined_count,
        retry_of
    from batches

)

select * from final
