with

indicators as (

    select * from {{ ref('int_indicators') }}

),

final as (

    select
        index_code,
        edition,
        indicator_code,
        parent_code,
        level,
        name_zh,
        name_en,
        weight,
        effective_weight,
        weight_status,
        direction,
        normalisation,
        norm_low,
        norm_high,
        scale_low,
        scale_high,
        aggregation,
        missing_policy,
        min_coverage,
        denominator,
        imputation,
        treatment,
        treatment_limit,
        note
    from indicators

)

select * from final
