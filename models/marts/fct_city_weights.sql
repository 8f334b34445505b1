with

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

edition_settings as (

    select * from {{ ref('int_edition_settings') }}

),

statistics as (

    select * from {{ ref('stg_statistics') }}

),

final as (

    select
        indicator_scores.index_code,
        indicator_scores.edition,
        indicator_scores.city_code,
        statistics.statistic_code,
        statistics.year,
        statistics.value as city_weight,
        statistics.unit,
        statistics.source
    from indicator_scores
    inner join edition_settings
        on
            indicator_scores.index_code = edition_settings.index_code
            and indicator_scores.edition = edition_settings.edition
    inner join statistics
        on
            indicator_scores.city_code = statistics.city_code
            and edition_settings.weighting_statistic_code = statistics.statistic_code
            and edition_settings.weighting_year = statistics.year
    where
        indicator_scores.level = 0
        and statistics.value > 0

)

select * from final
