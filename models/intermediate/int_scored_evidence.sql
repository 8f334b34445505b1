{%- set day_of_year = 365.25 -%}
{%- set fresh_days = var('evidence_fresh_years') * day_of_year -%}
{%- set stale_days = var('evidence_stale_years') * day_of_year -%}
{%- set stale_share = var('evidence_stale_share') -%}

with

evidence as (

    select * from {{ ref('stg_evidence') }}

),

classes as (

    select * from {{ ref('int_evidence_classes') }}

),

stages as (

    select * from {{ ref('stg_evidence_stages') }}

),

edition_dates as (

    select * from {{ ref('int_edition_dates') }}

),

indicators as (

    select * from {{ ref('int_indicators') }}

),

-- Evidence counts in the indices that have rules for any; a code of a tertiary may stand in others for something else.
fed_indices as (

    select distinct index_code
    from {{ ref('stg_derivation_rules') }}
    where feed = 'evidence'

),

-- Every record that counts in an edition: classified to one of its tertiaries and published by its day.
counted as (

    select
        edition_dates.index_code,
        edition_dates.edition,
        evidence.city_code,
        classes.indicator_code,
        evidence.evidence_id,
        evidence.published_on,
        classes.status,
        stages.stage_number,
        stages.points as stage_points,
        cast({{ days_between('evidence.published_on', 'edition_dates.as_of_date') }} as double) as age_days
    from evidence
    inner join classes
        on evidence.evidence_id = classes.evidence_id
    inner join stages
        on classes.status = stages.status
    inner join edition_dates
        on
            evidence.is_synthetic = edition_dates.is_synthetic
            and evidence.published_on <= edition_dates.as_of_date
    inner join indicators
        on
            edition_dates.index_code = indicators.index_code
            and edition_dates.edition = indicators.edition
            and classes.indicator_code = indicators.indicator_code
    inner join fed_indices
        on edition_dates.index_code = fed_indices.index_code
    where indicators.is_leaf

),

-- A record keeps its points while it is fresh, then loses them evenly down to a share that it keeps.
aged as (

    select
        *,
        case
            when age_days <= {{ fresh_days }} then cast(1 as double)
            when age_days >= {{ stale_days }} then cast({{ stale_share }} as double)
            else 1 - {{ 1 - stale_share }} * ((age_days - {{ fresh_days }}) / {{ stale_days - fresh_days }})
        end as recency_share
    from counted

),

scored as (

    select
        *,
        {{ comparable('stage_points * recency_share') }} as score
    from aged

),

final as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        evidence_id,
        published_on,
        status,
        stage_number,
        stage_points,
        recency_share,
        score,
        row_number() over (
            partition by index_code, edition, city_code, indicator_code
            order by score desc, published_on desc, evidence_id
        ) as place
    from scored

)

select * from final
