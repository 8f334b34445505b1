{#- The highest grade number of any standard: emr goes to 8. -#}
{%- set grade_numbers = range(var('highest_grade_number') + 1) -%}
{%- set key = ['as_of_date', 'is_synthetic', 'city_code', 'standard_code', 'standard_version'] -%}

with

hospitals as (

    select * from {{ ref('int_hospitals_as_of') }}

),

grades as (

    select * from {{ ref('int_hospital_grades_as_of') }}

),

standards as (

    select * from {{ ref('stg_standards') }}

),

scopes as (

    select
        as_of_date,
        is_synthetic,
        city_code,
        cast(count(*) as int) as in_scope_count,
        cast(sum(beds) as bigint) as in_scope_beds,
        cast(count(beds) as int) as in_scope_with_beds_count
    from hospitals
    group by as_of_date, is_synthetic, city_code

),

weighed as (

    select
        *,
        {{ weight_by_beds(key) }} as weight
    from grades

),

graded as (

    select
        {{ key | join(', ') }},
        cast(count(*) as int) as graded_count,
        cast(sum(beds) as bigint) as graded_beds,
        cast(count(score) as int) as scored_count,
        {{ stable_mean('score') }} as mean_score,
        {{ stable_weighted_mean('weight', 'score') | indent(8) }} as bed_weighted_score,
        {{ stable_mean('alternative_score') }} as alternative_mean_score,
        {{ stable_weighted_mean('weight', 'alternative_score') | indent(8) }} as alternative_bed_weighted_score,
        {%- for number in grade_numbers %}
        count(case when grade_number = {{ number }} then 1 end)
        / nullif(cast(count(grade_number) as double), 0) as grade_{{ number }}_share,
        {%- endfor %}
        max(assessed_on) as last_assessed_on
    from weighed
    group by {{ key | join(', ') }}

),

-- Every version that a city's hospitals could have been assessed by on the day, and every one they were.
city_standards as (

    select
        scopes.as_of_date,
        scopes.is_synthetic,
        scopes.city_code,
        standards.standard_code,
        standards.standard_version
    from scopes
    inner join standards
        on standards.published_year <= extract(year from scopes.as_of_date)
    union
    select {{ key | join(', ') }}
    from graded

),

final as (

    select
        city_standards.as_of_date,
        city_standards.is_synthetic,
        city_standards.city_code,
        city_standards.standard_code,
        city_standards.standard_version,
        scopes.in_scope_count,
        coalesce(graded.graded_count, 0) as graded_count,
        coalesce(graded.scored_count, 0) as scored_count,
        coalesce(graded.graded_count, 0) / cast(scopes.in_scope_count as double) as coverage_share,
        scopes.in_scope_beds,
        scopes.in_scope_count - scopes.in_scope_with_beds_count as without_beds_count,
        coalesce(graded.graded_beds, case when graded.graded_count is null then 0 end) as graded_beds,
        coalesce(graded.graded_beds, case when graded.graded_count is null then 0 end)
        / nullif(cast(scopes.in_scope_beds as double), 0) as bed_coverage_share,
        graded.mean_score,
        graded.bed_weighted_score,
        graded.alternative_mean_score,
        graded.alternative_bed_weighted_score,
        {%- for number in grade_numbers %}
        graded.grade_{{ number }}_share,
        {%- endfor %}
        graded.last_assessed_on
    from city_standards
    inner join scopes
        on
            city_standards.as_of_date = scopes.as_of_date
            and city_standards.is_synthetic = scopes.is_synthetic
            and city_standards.city_code = scopes.city_code
    left join graded
        on
            city_standards.as_of_date = graded.as_of_date
            and city_standards.is_synthetic = graded.is_synthetic
            and city_standards.city_code = graded.city_code
            and city_standards.standard_code = graded.standard_code
            and city_standards.standard_version = graded.standard_version

)

select * from final
