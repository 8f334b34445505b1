with

indicators as (

    select * from {{ ref('int_indicators') }}

),

-- One statistic is taken from one year throughout an edition.
denominator_years as (

    select
        index_code,
        edition,
        denominator,
        max(denominator_year) as denominator_year
    from {{ ref('int_denominated_values') }}
    where denominator <> ''
    group by index_code, edition, denominator

),

final as (

    select
        indicators.index_code,
        indicators.edition,
        indicators.indicator_code,
        indicators.parent_code,
        indicators.level,
        indicators.name_zh,
        indicators.name_en,
        indicators.weight,
        indicators.effective_weight,
        indicators.weight_status,
        indicators.direction,
        indicators.normalisation,
        indicators.norm_low,
        indicators.norm_high,
        indicators.scale_low,
        indicators.scale_high,
        indicators.aggregation,
        indicators.missing_policy,
        indicators.min_coverage,
        indicators.denominator,
        denominator_years.denominator_year,
        indicators.imputation,
        indicators.treatment,
        indicators.treatment_limit,
        indicators.note
    from indicators
    left join denominator_years
        on
            indicators.index_code = denominator_years.index_code
            and indicators.edition = denominator_years.edition
            and indicators.denominator = denominator_years.denominator

)

select * from final
