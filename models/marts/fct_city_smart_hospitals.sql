{%- set layers = ['smart_management', 'smart_service', 'smart_medical'] -%}
{%- set city = ['as_of_date', 'is_synthetic', 'city_code'] -%}

with

city_standards as (

    select * from {{ ref('int_city_standard_grades') }}

),

standards as (

    select * from {{ ref('stg_standards') }}

),

stages as (

    select * from {{ ref('stg_smart_hospital_stages') }}

),

-- The score of a layer is that of the newest version that any hospital of the city has a score by.
layer_scores as (

    select
        {%- for column in city %}
        city_standards.{{ column }},
        {%- endfor %}
        standards.layer_code,
        coalesce(city_standards.bed_weighted_score, city_standards.mean_score) as score,
        row_number() over (
            partition by
                {%- for column in city %}
                city_standards.{{ column }},
                {%- endfor %}
                standards.layer_code
            order by standards.published_year desc, standards.standard_code, standards.standard_version desc
        ) as preference
    from city_standards
    inner join standards
        on
            city_standards.standard_code = standards.standard_code
            and city_standards.standard_version = standards.standard_version
    where
        standards.layer_code is not null
        and city_standards.mean_score is not null

),

profiles as (

    select
        {{ city | join(', ') }},
        {%- for layer in layers %}
        max(case when layer_code = '{{ layer }}' then score end) as {{ layer }}_score,
        {%- endfor %}
        cast(count(*) as int) as layer_count,
        case when count(*) = {{ layers | length }} then {{ stable_mean('score') }} end as combined_score,
        max(score) as highest_score,
        case when count(*) = {{ layers | length }} then max(score) - min(score) end as spread
    from layer_scores
    where preference = 1
    group by {{ city | join(', ') }}

),

-- The stage is the last one whose least score the city reaches.
staged as (

    select
        {%- for column in city %}
        profiles.{{ column }},
        {%- endfor %}
        stages.stage_code,
        stages.stage_number,
        stages.name_zh as stage_zh,
        stages.name_en as stage_en,
        row_number() over (
            partition by
                {%- for column in city %}
                profiles.{{ column }}{{ ',' if not loop.last }}
                {%- endfor %}
            order by stages.stage_number desc
        ) as preference
    from profiles
    inner join stages
        on {{ comparable('profiles.combined_score') }} >= stages.lowest_score

),

final as (

    select
        city_standards.city_code,
        city_standards.standard_code,
        city_standards.standard_version,
        city_standards.as_of_date,
        city_standards.is_synthetic,
        city_standards.in_scope_count,
        city_standards.graded_count,
        city_standards.scored_count,
        city_standards.coverage_share,
        city_standards.in_scope_beds,
        city_standards.graded_beds,
        city_standards.without_beds_count,
        city_standards.bed_coverage_share,
        {{ comparable('least(city_standards.coverage_share, coalesce(city_standards.bed_coverage_share, 1))') }}
        < {{ var('smart_hospital_least_coverage') }} as is_low_coverage,
        city_standards.mean_score,
        city_standards.bed_weighted_score,
        city_standards.alternative_mean_score,
        city_standards.alternative_bed_weighted_score,
        {%- for number in range(var('highest_grade_number') + 1) %}
        city_standards.grade_{{ number }}_share,
        {%- endfor %}
        city_standards.last_assessed_on,
        {%- for layer in layers %}
        profiles.{{ layer }}_score,
        {%- endfor %}
        coalesce(profiles.layer_count, 0) as layer_count,
        profiles.combined_score,
        case
            when {{ comparable('profiles.spread') }} <= {{ var('smart_hospital_balanced_points') }} then 'balanced'
            when profiles.spread is not null
                then case profiles.highest_score
                    {%- for layer in layers | reverse %}
                    when profiles.{{ layer }}_score then '{{ layer }}_led'
                    {%- endfor %}
                end
        end as profile,
        staged.stage_code,
        staged.stage_number,
        staged.stage_zh,
        staged.stage_en
    from city_standards
    left join profiles
        on
            {%- for column in city %}
            city_standards.{{ column }} = profiles.{{ column }}{{ '\n            and' if not loop.last }}
            {%- endfor %}
    left join staged
        on
            {%- for column in city %}
            city_standards.{{ column }} = staged.{{ column }}
            and
            {%- endfor %}
            staged.preference = 1

)

select * from final
