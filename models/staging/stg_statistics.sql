with

statistics as (

    select * from {{ ref('statistics') }}

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
