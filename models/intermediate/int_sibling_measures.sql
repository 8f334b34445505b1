with

indicators as (

    select * from {{ ref('int_indicators') }}

),

sibling_scores as (

    select * from {{ ref('int_sibling_scores') }}

),

siblings as (

    select
        index_code,
        edition,
        parent_code,
        indicator_code,
        weight,
        cast(count(*) over (partition by index_code, edition, parent_code) as int) as child_count
    from indicators
    where parent_code is not null

),

measures as (

    select
        index_code,
        edition,
        indicator_code,
        cast(count(*) as int) as city_count,
        max(score_range) as score_range,
        {{ stable_sum('place_deviation * place_deviation') }} as square_sum,
        {{ entropy_divergence('place', 'count(place)') | indent(8) }} as entropy_divergence
    from sibling_scores
    group by index_code, edition, indicator_code

),

final as (

    select
        siblings.index_code,
        siblings.edition,
        siblings.parent_code,
        siblings.indicator_code,
        siblings.weight,
        siblings.child_count,
        coalesce(measures.city_count, 0) as city_count,
        measures.score_range,
        measures.square_sum,
        sqrt(measures.square_sum / nullif(measures.city_count - 1, 0)) as sd_place,
        measures.entropy_divergence
    from siblings
    left join measures
        on
            siblings.index_code = measures.index_code
            and siblings.edition = measures.edition
            and siblings.indicator_code = measures.indicator_code

)

select * from final
