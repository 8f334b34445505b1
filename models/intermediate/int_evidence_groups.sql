{#- What repeats of a record have in common. What a person gave with a record, label or status, makes it another. -#}
{%- set group = ['city_code', 'kind', 'is_synthetic', 'given_label', 'given_status', 'title_key'] -%}

with

evidence as (

    select * from {{ ref('stg_evidence') }}

),

cleaned as (

    select
        evidence_id,
        city_code,
        kind,
        is_synthetic,
        published_on,
        coalesce(indicator_code, '') as given_label,
        coalesce(status, '') as given_status,
        {{ clean_text('title') }} as clean_title
    from evidence

),

keyed as (

    select
        evidence_id,
        city_code,
        kind,
        is_synthetic,
        published_on,
        given_label,
        given_status,
        {{ title_key('clean_title') }} as title_key
    from cleaned

),

-- Records whose titles say the same are reprints where not too many days lie between one and the next. Every record is
-- older than those of its group that come after it, so a later one never changes an earlier day.
spaced as (

    select
        *,
        lag(published_on) over (
            partition by {{ group | join(', ') }}
            order by published_on, evidence_id
        ) as previous_on
    from keyed

),

numbered as (

    select
        *,
        sum(
            case
                when previous_on is null then 1
                when {{ days_between('previous_on', 'published_on') }} > {{ var('evidence_merge_days') }} then 1
                else 0
            end
        ) over (
            partition by {{ group | join(', ') }}
            order by published_on, evidence_id
            rows between unbounded preceding and current row
        ) as group_number
    from spaced

),

-- The first record stands for its group.
final as (

    select
        evidence_id,
        first_value(evidence_id) over (
            partition by {{ group | join(', ') }}, group_number
            order by published_on, evidence_id
        ) as original_id
    from numbered

)

select * from final
