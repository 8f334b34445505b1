with

treated_values as (

    select *
    from {{ ref('int_treated_values') }}
    where scenario = 'published'

),

indicators as (

    select * from {{ ref('int_alternative_indicators') }}

),

published_scores as (

    select *
    from {{ ref('int_tertiary_scores') }}
    where scenario = 'published'

),

-- What the published method gives no score has none under another one: what is missing is a choice of its own.
final as (

    select
        indicators.scenario,
        treated_values.index_code,
        treated_values.edition,
        treated_values.city_code,
        treated_values.indicator_code,
        case when published_scores.score is not null then treated_values.value end as value,
        treated_values.missing_reason,
        treated_values.is_imputed,
        treated_values.provenance
    from treated_values
    inner join indicators
        on
            treated_values.index_code = indicators.index_code
            and treated_values.edition = indicators.edition
            and treated_values.indicator_code = indicators.indicator_code
    inner join published_scores
        on
            treated_values.index_code = published_scores.index_code
            and treated_values.edition = published_scores.edition
            and treated_values.city_code = published_scores.city_code
            and treated_values.indicator_code = published_scores.indicator_code

)

select * from final
