{%- set cell = ['index_code', 'edition', 'city_code', 'indicator_code'] -%}

with

rules as (

    select * from {{ ref('int_edition_rules') }}

),

grades as (

    select * from {{ ref('int_hospital_grades_as_of') }}

),

city_standards as (

    select * from {{ ref('int_city_standard_grades') }}

),

standard_grades as (

    select * from {{ ref('stg_standard_grades') }}

),

indicator_evidence as (

    select * from {{ ref('int_indicator_evidence') }}

),

-- What one hospital brings to the value of a tertiary: its score, or 100 where it reaches the rule's grade.
hospital_values as (

    select
        rules.index_code,
        rules.edition,
        grades.city_code,
        rules.indicator_code,
        grades.beds,
        grades.assessed_on,
        case
            when rules.formula = 'mean_score' then grades.score
            when rules.formula = 'share_at_or_above' and grades.grade_number is not null
                then case when grades.grade_number >= least_grades.grade_number then 100 else 0 end
        end as value
    from rules
    inner join grades
        on
            rules.as_of_date = grades.as_of_date
            and rules.is_synthetic = grades.is_synthetic
            and rules.standard_code = grades.standard_code
            and rules.standard_version = grades.standard_version
    left join standard_grades as least_grades
        on
            rules.standard_code = least_grades.standard_code
            and rules.standard_version = least_grades.standard_version
            and rules.least_grade = least_grades.grade
    where rules.feed = 'hospitals'

),

city_values as (

    select
        {{ cell | join(', ') }},
        cast(count(value) as int) as record_count,
        {{ stable_mean('value') }} as mean_value,
        {{ stable_sum('beds * value') }} / nullif(sum(case when value is not null then beds end), 0)
            as bed_weighted_value,
        max(assessed_on) as newest_on
    from hospital_values
    group by {{ cell | join(', ') }}

),

-- Beds weight the hospitals where any are known; hospitals without them are then left out, and counted.
from_hospitals as (

    select
        city_values.index_code,
        city_values.edition,
        city_values.city_code,
        city_values.indicator_code,
        rules.rule_code,
        rules.feed,
        rules.formula,
        rules.as_of_date,
        rules.is_synthetic,
        case
            when rules.weighting = 'beds' then coalesce(city_values.bed_weighted_value, city_values.mean_value)
            else city_values.mean_value
        end as value,
        case when rules.weighting = 'beds' and city_values.bed_weighted_value is not null then 'beds' else 'equal' end
            as weighting,
        city_values.record_count,
        city_standards.in_scope_count as scope_count,
        case
            when rules.weighting = 'beds' and city_values.bed_weighted_value is not null
                then city_standards.bed_coverage_share
            else city_standards.coverage_share
        end as coverage_share,
        rules.least_coverage_share,
        city_values.newest_on
    from city_values
    inner join rules
        on
            city_values.index_code = rules.index_code
            and city_values.edition = rules.edition
            and city_values.indicator_code = rules.indicator_code
    inner join city_standards
        on
            rules.as_of_date = city_standards.as_of_date
            and rules.is_synthetic = city_standards.is_synthetic
            and city_values.city_code = city_standards.city_code
            and rules.standard_code = city_standards.standard_code
            and rules.standard_version = city_standards.standard_version
    where city_values.mean_value is not null

),

from_evidence as (

    select
        indicator_evidence.index_code,
        indicator_evidence.edition,
        indicator_evidence.city_code,
        indicator_evidence.indicator_code,
        rules.rule_code,
        rules.feed,
        rules.formula,
        rules.as_of_date,
        rules.is_synthetic,
        indicator_evidence.score as value,
        cast(null as string) as weighting,
        indicator_evidence.record_count,
        cast(null as int) as scope_count,
        cast(null as double) as coverage_share,
        rules.least_coverage_share,
        indicator_evidence.newest_on
    from indicator_evidence
    inner join rules
        on
            indicator_evidence.index_code = rules.index_code
            and indicator_evidence.edition = rules.edition
            and indicator_evidence.indicator_code = rules.indicator_code
    where rules.feed = 'evidence'

),

derived as (

    select * from from_hospitals
    union all
    select * from from_evidence

),

final as (

    select
        *,
        coalesce(coverage_share < least_coverage_share, false) as is_low_coverage
    from derived

)

select * from final
