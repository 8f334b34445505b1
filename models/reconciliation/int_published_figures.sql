-- Every figure that a document prints and the range that agrees with it: the facts, and each city's total and rank.

with

published_facts as (

    select * from {{ ref('stg_published_facts') }}

),

fact_measures as (

    select * from {{ ref('stg_published_fact_measures') }}

),

city_scores as (

    select * from {{ ref('stg_published_city_scores') }}

),

editions as (

    select * from {{ ref('stg_editions') }}

),

indicators as (

    select * from {{ ref('int_indicators') }}

),

facts as (

    select
        published_facts.fact_id,
        published_facts.index_code,
        published_facts.edition,
        published_facts.source_document,
        published_facts.scope,
        published_facts.indicator,
        published_facts.operator,
        published_facts.value as published_value,
        published_facts.confidence,
        fact_measures.treatment,
        fact_measures.measure_code,
        -- A fact whose scope names an indicator is about that indicator.
        case
            when published_facts.scope like 'indicator:%' then replace(published_facts.scope, 'indicator:', '')
            else fact_measures.indicator_code
        end as indicator_code,
        case when fact_measures.comparison = 'equal' then 'eq' else published_facts.operator end as comparison,
        fact_measures.tolerance,
        {{ both_notes('published_facts.note', 'fact_measures.note') }} as note
    from published_facts
    inner join fact_measures
        on published_facts.indicator = fact_measures.indicator

),

fact_figures as (

    select
        fact_id,
        index_code,
        edition,
        source_document,
        scope,
        indicator,
        operator,
        published_value,
        confidence,
        treatment,
        measure_code,
        indicator_code,
        case
            when comparison in ('eq', 'about', 'almost') then published_value - tolerance
            when comparison in ('gt', 'ge') then published_value
        end as lowest_value,
        case
            when comparison in ('eq', 'about') then published_value + tolerance
            when comparison in ('almost', 'lt', 'le') then published_value
        end as highest_value,
        comparison = 'gt' as is_lowest_excluded,
        comparison = 'lt' as is_highest_excluded,
        case when comparison in ('eq', 'about', 'almost') then tolerance end as tolerance,
        note
    from facts

),

-- Cities that print the same score share their ranks: the order inside such a tie has no printed rule.
tied_ranks as (

    select
        index_code,
        edition,
        published_score,
        min(published_rank) as lowest_rank,
        max(published_rank) as highest_rank
    from city_scores
    group by index_code, edition, published_score

),

placed_city_scores as (

    select
        city_scores.index_code,
        city_scores.edition,
        editions.source_document,
        city_scores.city_code,
        city_scores.published_score,
        city_scores.published_rank,
        tied_ranks.lowest_rank,
        tied_ranks.highest_rank,
        roots.indicator_code
    from city_scores
    inner join tied_ranks
        on
            city_scores.index_code = tied_ranks.index_code
            and city_scores.edition = tied_ranks.edition
            and city_scores.published_score = tied_ranks.published_score
    inner join editions
        on
            city_scores.index_code = editions.index_code
            and city_scores.edition = editions.edition
    inner join indicators as roots
        on
            city_scores.index_code = roots.index_code
            and city_scores.edition = roots.edition
            and roots.level = 0

),

total_figures as (

    select
        'table_total_' || index_code || '_' || edition || '_' || city_code as fact_id,
        index_code,
        edition,
        source_document,
        'city:' || city_code as scope,
        'total_score' as indicator,
        'eq' as operator,
        published_score as published_value,
        'high' as confidence,
        'solver' as treatment,
        'total_score' as measure_code,
        indicator_code,
        published_score - {{ half_unit('report_decimals') }} as lowest_value,
        published_score + {{ half_unit('report_decimals') }} as highest_value,
        false as is_lowest_excluded,
        false as is_highest_excluded,
        {{ half_unit('report_decimals') }} as tolerance,
        cast(null as string) as note
    from placed_city_scores

),

rank_figures as (

    select
        'table_rank_' || index_code || '_' || edition || '_' || city_code as fact_id,
        index_code,
        edition,
        source_document,
        'city:' || city_code as scope,
        'total_rank' as indicator,
        'eq' as operator,
        cast(published_rank as double) as published_value,
        'high' as confidence,
        'solver' as treatment,
        'total_rank' as measure_code,
        indicator_code,
        cast(lowest_rank as double) as lowest_value,
        cast(highest_rank as double) as highest_value,
        false as is_lowest_excluded,
        false as is_highest_excluded,
        cast(highest_rank - lowest_rank as double) as tolerance,
        case
            when highest_rank > lowest_rank
                then
                    'printed score shared by the ranks ' || cast(lowest_rank as string)
                    || ' to ' || cast(highest_rank as string)
        end as note
    from placed_city_scores

),

final as (

    select * from fact_figures
    union all
    select * from total_figures
    union all
    select * from rank_figures

)

select * from final
