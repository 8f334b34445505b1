with

indicator_scores as (

    select * from {{ ref('int_indicator_scores') }}

),

edition_cities as (

    select
        index_code,
        edition,
        cast(count(rank) as double) as ranked_city_count
    from indicator_scores
    where level = 0
    group by index_code, edition

),

totals as (

    select
        index_code,
        edition,
        city_code,
        rank as total_rank
    from indicator_scores
    where level = 0

),

-- How many cities score as well or better: for a tie the last shared position, so that a score which most cities
-- reach is nobody's highlight.
positioned as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        rank,
        rank - 1 + count(*) over (partition by index_code, edition, indicator_code, rank) as last_position
    from indicator_scores
    where
        level > 0
        and rank is not null

),

final as (

    select
        positioned.index_code,
        positioned.edition,
        positioned.city_code,
        positioned.indicator_code,
        positioned.rank,
        totals.total_rank,
        totals.total_rank - positioned.rank as rank_lead
    from positioned
    inner join totals
        on
            positioned.index_code = totals.index_code
            and positioned.edition = totals.edition
            and positioned.city_code = totals.city_code
    inner join edition_cities
        on
            positioned.index_code = edition_cities.index_code
            and positioned.edition = edition_cities.edition
    where
        totals.total_rank - positioned.rank
        >= {{ var('highlight_min_lead_share') }} * edition_cities.ranked_city_count
        and positioned.last_position
        <= {{ var('highlight_max_position_share') }} * edition_cities.ranked_city_count

)

select * from final
