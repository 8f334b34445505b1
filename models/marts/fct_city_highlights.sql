with

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

-- How many cities score as well or better: for a tie the last shared position, so that a score which most cities
-- reach is nobody's highlight. Positions are shares of the cities that the node ranks, as some rank fewer than others.
positioned as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        level,
        rank,
        rank / cast(count(*) over (partition by index_code, edition, indicator_code) as double) as rank_share,
        (rank - 1 + count(*) over (partition by index_code, edition, indicator_code, rank))
        / cast(count(*) over (partition by index_code, edition, indicator_code) as double) as last_position_share
    from indicator_scores
    where rank is not null

),

final as (

    select
        positioned.index_code,
        positioned.edition,
        positioned.city_code,
        positioned.indicator_code,
        positioned.rank,
        totals.rank as total_rank,
        totals.rank - positioned.rank as rank_lead
    from positioned
    inner join positioned as totals
        on
            positioned.index_code = totals.index_code
            and positioned.edition = totals.edition
            and positioned.city_code = totals.city_code
            and totals.level = 0
    where
        positioned.level > 0
        and {{ comparable('totals.rank_share - positioned.rank_share') }} >= {{ var('highlight_min_lead_share') }}
        and {{ comparable('positioned.last_position_share') }} <= {{ var('highlight_max_position_share') }}

)

select * from final
