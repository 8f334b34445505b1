{%- set cell = ['index_code', 'edition', 'city_code', 'indicator_code'] -%}

with

rules as (

    select * from {{ ref('int_edition_rules') }}

),

grades as (

    select * from {{ ref('int_hospital_grades_as_of') }}

),

standard_grades as (

    select * from {{ ref('stg_standard_grades') }}

),

-- What one hospital brings to the value of a tertiary: its score, or 100 where it reaches the rule's grade.
hospital_values as (

    select
        rules.index_code,
        rules.edition,
        grades.city_code,
        rules.indicator_code,
        rules.rule_code,
        grades.hospital_code,
        grades.standard_code,
        grades.standard_version,
        grades.grade,
        grades.assessed_on,
        grades.beds,
        rules.weighting,
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

with_beds as (

    select
        *,
        {{ weight_by_beds(cell) }} as known_weight
    from hospital_values
    where value is not null

),

summed as (

    select
        *,
        sum(case when weighting = 'beds' then known_weight end) over (partition by {{ cell | join(', ') }})
            as weight_sum
    from with_beds

),

-- Where no beds are known, or the rule says so, all hospitals weigh alike.
final as (

    select
        {{ cell | join(', ') }},
        rule_code,
        hospital_code,
        standard_code,
        standard_version,
        grade,
        assessed_on,
        beds,
        value,
        case when weight_sum > 0 then known_weight else cast(1 as double) end as weight,
        case when weight_sum > 0 then 'beds' else 'equal' end as weighting
    from summed

)

select * from final
