with

city_values as (

    select *
    from {{ ref('int_city_indicator_values') }}
    where scenario = 'published'

),

observations as (

    select * from {{ ref('int_observations') }}

),

denominated_values as (

    select * from {{ ref('int_denominated_values') }}

),

treated_values as (

    select *
    from {{ ref('int_treated_values') }}
    where scenario = 'published'

),

scores as (

    select *
    from {{ ref('int_tertiary_scores') }}
    where scenario = 'published'

),

final as (

    select
        city_values.index_code,
        city_values.edition,
        city_values.city_code,
        city_values.indicator_code,
        treated_values.provenance,
        case when treated_values.provenance = 'derived' then observations.rule_code end as rule_code,
        city_values.observed_value,
        observations.observed_on,
        observations.source,
        nullif(city_values.denominator, '') as denominator,
        denominated_values.denominator_year,
        denominated_values.divisor,
        city_values.value as denominated_value,
        treated_values.is_imputed,
        treated_values.untreated_value,
        treated_values.treatment,
        treated_values.value as treated_value,
        scores.score,
        scores.missing_reason
    from city_values
    inner join treated_values
        on
            city_values.index_code = treated_values.index_code
            and city_values.edition = treated_values.edition
            and city_values.city_code = treated_values.city_code
            and city_values.indicator_code = treated_values.indicator_code
    inner join scores
        on
            city_values.index_code = scores.index_code
            and city_values.edition = scores.edition
            and city_values.city_code = scores.city_code
            and city_values.indicator_code = scores.indicator_code
    left join denominated_values
        on
            city_values.index_code = denominated_values.index_code
            and city_values.edition = denominated_values.edition
            and city_values.city_code = denominated_values.city_code
            and city_values.indicator_code = denominated_values.indicator_code
            and city_values.denominator = denominated_values.denominator
    left join observations
        on
            city_values.index_code = observations.index_code
            and city_values.edition = observations.edition
            and city_values.city_code = observations.city_code
            and city_values.indicator_code = observations.indicator_code

)

select * from final
