with

quarantine as (

    select * from {{ source('landed', 'quarantine') }}

),

observations as (

    select * from {{ ref('stg_observation_versions') }}

),

statistics as (

    select * from {{ ref('stg_statistic_versions') }}

),

cities as (

    select * from {{ ref('stg_city_versions') }}

),

frameworks as (

    select * from {{ ref('stg_framework_versions') }}

),

hospitals as (

    select * from {{ ref('stg_hospital_versions') }}

),

evidence as (

    select * from {{ ref('stg_evidence_versions') }}

),

accepted_keys as (

    select
        'observations' as kind,
        {{ row_key(['index_code', 'edition', 'city_code', 'indicator_code']) }} as row_key,
        batch_number
    from observations
    where batch_number > 0
    union all
    select
        'statistics' as kind,
        {{ row_key(['city_code', 'year', 'statistic_code']) }} as row_key,
        batch_number
    from statistics
    where batch_number > 0
    union all
    select
        'cities' as kind,
        {{ row_key(['city_code']) }} as row_key,
        batch_number
    from cities
    where batch_number > 0
    union all
    select
        'frameworks' as kind,
        {{ row_key(['index_code', 'edition', 'indicator_code']) }} as row_key,
        batch_number
    from frameworks
    where batch_number > 0
    union all
    select
        'hospitals' as kind,
        {{ row_key(['hospital_code', 'standard_code', 'standard_version', 'assessed_on']) }} as row_key,
        batch_number
    from hospitals
    where batch_number > 0
    union all
    select
        'evidence' as kind,
        {{ row_key(['evidence_id']) }} as row_key,
        batch_number
    from evidence
    where batch_number > 0

),

-- The last batch in which the key of a quarantined row was accepted.
last_accepted as (

    select
        accepted_keys.kind,
        accepted_keys.row_key,
        max(accepted_keys.batch_number) as batch_number
    from accepted_keys
    inner join (select distinct kind, row_key from quarantine) as wanted
        on
            accepted_keys.kind = wanted.kind
            and accepted_keys.row_key = wanted.row_key
    group by accepted_keys.kind, accepted_keys.row_key

),

-- The last time that a file of the same kind and name was landed.
last_files as (

    select
        kind,
        file_name,
        max(batch_number) as batch_number
    from {{ source('landed', 'batches') }}
    where retry_of is null
    group by kind, file_name

),

final as (

    select
        quarantine.batch_id,
        quarantine.file_name,
        quarantine.row_number,
        quarantine.kind,
        quarantine.reason,
        quarantine.detail,
        quarantine.raw_row,
        quarantine.row_key,
        quarantine.received_at_utc,
        case
            when last_accepted.batch_number > quarantine.batch_number then 'resolved'
            when last_files.batch_number > quarantine.batch_number then 'resolved'
            else 'open'
        end as status,
        row_number() over (partition by quarantine.batch_id order by quarantine.row_number) as place
    from quarantine
    left join last_accepted
        on
            quarantine.kind = last_accepted.kind
            and quarantine.row_key = last_accepted.row_key
    left join last_files
        on
            quarantine.kind = last_files.kind
            and quarantine.file_name = last_files.file_name

)

select * from final
