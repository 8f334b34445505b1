with

indicators as (

    select * from {{ ref('int_indicators') }}

),

edition_settings as (

    select * from {{ ref('int_edition_settings') }}

),

-- The newest edition's method is tried on every earlier edition of the index.
newest_editions as (

    select
        earlier.index_code,
        earlier.edition,
        newest.edition as method_edition
    from edition_settings as earlier
    inner join edition_settings as newest
        on
            earlier.index_code = newest.index_code
            and earlier.is_synthetic = newest.is_synthetic
            and earlier.edition_ordinal < newest.edition_ordinal
            and newest.is_newest

),

final as (

    select
        'published' as scenario,
        edition as method_edition,
        *
    from indicators
    union all
    select
        'newest_method' as scenario,
        newest_editions.method_edition,
        indicators.index_code,
        newest_editions.edition,
        indicators.indicator_code,
        indicators.parent_code,
        indicators.level,
        indicators.is_leaf,
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
        indicators.imputation,
        indicators.treatment,
        indicators.treatment_limit,
        indicators.note
    from indicators
    inner join newest_editions
        on
            indicators.index_code = newest_editions.index_code
            and indicators.edition = newest_editions.method_edition

)

select * from final
