{#- What repeats of a record have in common. -#}
{%- set group = ['city_code', 'kind', 'is_synthetic', 'title_key'] -%}

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
        indicator_code as given_label,
        status as given_status,
        {{ clean_text('title') }} as clean_title
    from evidence

),

keyed as (

    select
        *,
        {{ title_key('clean_title') }} as title_key
    from cleaned

),

-- How many labels and statuses were given so far tells, for each record, which one was given last.
counted as (

    select
        *,
        {%- for given in ['given_label', 'given_status'] %}
        count({{ given }}) over (
            partition by {{ group | join(', ') }}
            order by published_on, evidence_id
            rows between unbounded preceding and current row
        ) as {{ given }}_count,
        {%- endfor %}
        lag(published_on) over (
            partition by {{ group | join(', ') }}
            order by published_on, evidence_id
        ) as previous_on
    from keyed

),

told as (

    select
        *,
        {%- for given in ['given_label', 'given_status'] %}
        max({{ given }}) over (partition by {{ group | join(', ') }}, {{ given }}_count) as last_{{ given }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from counted

),

spaced as (

    select
        *,
        {%- for given in ['given_label', 'given_status'] %}
        lag(last_{{ given }}) over (
            partition by {{ group | join(', ') }}
            order by published_on, evidence_id
        ) as previous_{{ given }}{{ ',' if not loop.last }}
        {%- endfor %}
    from told

),

-- Records whose titles say the same are reprints where not too many days lie between one and the next. A record with
-- another label or status than was given before begins anew: so a later record never changes what an earlier one says,
-- and what is said of the first holds for those that repeat it.
numbered as (

    select
        *,
        sum(
            case
                when previous_on is null then 1
                when {{ days_between('previous_on', 'published_on') }} > {{ var('evidence_merge_days') }} then 1
                {%- for given in ['given_label', 'given_status'] %}
                when {{ given }} is not null and {{ given }} is distinct from previous_{{ given }} then 1
                {%- endfor %}
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
