with

indicators as (

    select * from {{ ref('int_indicators') }}

),

correlations as (

    select * from {{ ref('fct_correlations') }}

),

correlated as (

    select
        indicators.index_code,
        indicators.edition,
        indicators.indicator_code,
        indicators.parent_code,
        indicators.level,
        indicators.weight,
        correlations.pearson as parent_correlation
    from indicators
    left join correlations
        on
            indicators.index_code = correlations.index_code
            and indicators.edition = correlations.edition
            and indicators.indicator_code = correlations.indicator_code
            and correlations.relation = 'with_parent'
    where indicators.parent_code is not null

),

shared as (

    select
        *,
        {{ importance_share('parent_correlation', ['index_code', 'edition', 'parent_code']) | indent(8) }}
            as importance_share
    from correlated

),

final as (

    select
        index_code,
        edition,
        indicator_code,
        parent_code,
        level,
        weight,
        parent_correlation,
        importance_share,
        {{ finite('importance_share / weight') }} as importance_ratio
    from shared

)

select * from final
