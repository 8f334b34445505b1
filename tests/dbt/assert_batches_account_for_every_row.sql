-- Accepted and quarantined rows are as many as were received, and as many as stand in raw/ and in quarantine/.

{{ config(meta={'dagster': {'ref': {'name': 'meta_batches'}}}) }}

with

batches as (

    select * from {{ ref('meta_batches') }}

),

{% set kinds = landing_keys() | list -%}

{% for kind in kinds -%}
{{ kind }} as (

    select
        batch_id,
        count(*) as row_count
    from {{ source('landed', kind) }}
    group by batch_id

),

{% endfor -%}

accepted as (

    {% for kind in kinds -%}
    select * from {{ kind }}
    {{- '\n    union all' if not loop.last }}
    {% endfor %}

),

quarantined as (

    select
        batch_id,
        sum(quarantined_count) as row_count
    from {{ ref('meta_quarantine_reasons') }}
    group by batch_id

),

final as (

    select batches.*
    from batches
    left join accepted
        on batches.batch_id = accepted.batch_id
    left join quarantined
        on batches.batch_id = quarantined.batch_id
    where
        batches.accepted_count + batches.quarantined_count <> batches.received_count
        or batches.accepted_count <> coalesce(accepted.row_count, 0)
        or batches.quarantined_count <> coalesce(quarantined.row_count, 0)

)

select * from final
