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
        indicator_code,
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
        indicator_code,
        {{ title_key('clean_title') }} as title_key
    from cleaned

),

-- Records of a city and kind whose titles say the same are reprints where not too many days lie between one and the
-- next. Every record is older than those of its group that come after it, so a later one never changes an earlier day.
spaced as (

    select
        *,
        lag(published_on) over (
            partition by city_code, kind, is_synthetic, title_key
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
            partition by city_code, kind, is_synthetic, title_key
            order by published_on, evidence_id
            rows between unbounded preceding and current row
        ) as group_number
    from spaced

),

-- The first record stands for its group, with the label of the first one that a person labelled.
final as (

    select
        evidence_id,
        first_value(evidence_id) over (
            partition by city_code, kind, is_synthetic, title_key, group_number
            order by published_on, evidence_id
        ) as original_id,
        first_value(indicator_code) over (
            partition by city_code, kind, is_synthetic, title_key, group_number
            order by indicator_code is null, published_on, evidence_id
        ) as label_code
    from numbered

)

select * from final
