{%- set cell = ['index_code', 'edition', 'city_code', 'indicator_code'] -%}

with

rules as (

    select * from {{ ref('int_edition_rules') }}

),

rule_hospitals as (

    select * from {{ ref('int_rule_hospitals') }}

),

city_standards as (

    select * from {{ ref('int_city_standard_grades') }}

),

indicator_evidence as (

    select * from {{ ref('int_indicator_evidence') }}

),

city_values as (

    select
        {{ cell | join(', ') }},
        weighting,
        cast(count(*) as int) as record_count,
        {{ stable_weighted_mean('weight', 'value') | indent(8) }} as value,
        max(assessed_on) as newest_on
    from rule_hospitals
    group by {{ cell | join(', ') }}, weighting

),

-- Of beds and hospitals the lesser share counts as coverage: beds that nobody knows make none.
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
        city_values.value,
        city_values.weighting,
        city_values.record_count,
        city_standards.in_scope_count as scope_count,
        city_standards.without_beds_count,
        least(city_standards.coverage_share, coalesce(city_standards.bed_coverage_share, 1)) as coverage_share,
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
        cast(null as int) as without_beds_count,
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
        coalesce({{ comparable('coverage_share') }} < least_coverage_share, false) as is_low_coverage
    from derived

)

select * from final
