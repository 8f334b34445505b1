with

statistics as (

    select *
    from {{ current_version(
        ref('stg_statistic_versions'),
        landing_keys().statistics,
        scope=['year', 'statistic_code']
    ) }} as current_versions

),

final as (

    select
        city_code,
        year,
        statistic_code,
        value,
        unit,
        nullif(trim(source), '') as source
    from statistics

)

select * from final
