{%- set versions = {
    'observations': ref('stg_observation_versions'),
    'statistics': ref('stg_statistic_versions'),
    'cities': ref('stg_city_versions'),
    'frameworks': ref('stg_framework_versions'),
    'hospitals': ref('stg_hospital_versions'),
    'evidence': ref('stg_evidence_versions'),
} -%}

with

quarantine as (

    select * from {{ source('landed', 'quarantine') }}

),

accepted_keys as (

    {%- for kind, relation in versions.items() %}
    select
        '{{ kind }}' as kind,
        {{ row_key(landing_keys()[kind]) }} as row_key,
        batch_number
    from {{ relation }}
    where batch_number > 0
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}

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
