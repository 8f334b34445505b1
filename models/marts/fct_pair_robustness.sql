with

rank_intervals as (

    select * from {{ ref('fct_rank_intervals') }}

),

-- Cities next to each other in the published ranking; tied ones follow each other by their codes.
final as (

    select
        upper_cities.index_code,
        upper_cities.edition,
        upper_cities.indicator_code,
        upper_cities.scenario,
        upper_cities.city_code as upper_city_code,
        upper_cities.next_city_code as lower_city_code,
        upper_cities.rank as upper_rank,
        lower_cities.rank as lower_rank,
        upper_cities.above_next_share as in_order_share,
        upper_cities.above_next_share < {{ var('tie_in_practice_share') }} as is_tie_in_practice,
        upper_cities.draw_count
    from rank_intervals as upper_cities
    inner join rank_intervals as lower_cities
        on
            upper_cities.index_code = lower_cities.index_code
            and upper_cities.edition = lower_cities.edition
            and upper_cities.indicator_code = lower_cities.indicator_code
            and upper_cities.scenario = lower_cities.scenario
            and upper_cities.next_city_code = lower_cities.city_code

)

select * from final
