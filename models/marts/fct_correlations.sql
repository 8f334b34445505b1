with

indicators as (

    select * from {{ ref('int_indicators') }}

),

-- Scores are compared at a stated number of decimals; equal ones share an order.
scores as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        score,
        dense_rank() over (
            partition by index_code, edition, indicator_code order by {{ comparable('score') }}
        ) as score_order
    from {{ ref('fct_indicator_scores') }}
    where score is not null

),

nodes as (

    select
        *,
        count(*) over (partition by index_code, edition, parent_code) as sibling_count
    from indicators

),

pairs as (

    select
        nodes.index_code,
        nodes.edition,
        'within_parent' as relation,
        nodes.indicator_code,
        siblings.indicator_code as other_indicator_code
    from nodes
    inner join nodes as siblings
        on
            nodes.index_code = siblings.index_code
            and nodes.edition = siblings.edition
            and nodes.parent_code = siblings.parent_code
            and nodes.indicator_code < siblings.indicator_code
    where nodes.sibling_count <= {{ var('audit_max_siblings') }}
    union all
    select
        index_code,
        edition,
        'with_parent' as relation,
        indicator_code,
        parent_code as other_indicator_code
    from nodes
    where parent_code is not null
    union all
    select
        nodes.index_code,
        nodes.edition,
        'with_total' as relation,
        nodes.indicator_code,
        roots.indicator_code as other_indicator_code
    from nodes
    inner join nodes as roots
        on
            nodes.index_code = roots.index_code
            and nodes.edition = roots.edition
            and roots.parent_code is null
    where nodes.parent_code is not null

),

numbered_pairs as (

    select
        *,
        row_number() over (
            order by index_code, edition, relation, indicator_code, other_indicator_code
        ) as pair_number
    from pairs

),

-- Cities in which both have a score.
scored_pairs as (

    select
        numbered_pairs.pair_number,
        scores.score,
        scores.score_order,
        other_scores.score as other_score,
        other_scores.score_order as other_score_order
    from numbered_pairs
    inner join scores
        on
            numbered_pairs.index_code = scores.index_code
            and numbered_pairs.edition = scores.edition
            and numbered_pairs.indicator_code = scores.indicator_code
    inner join scores as other_scores
        on
            numbered_pairs.index_code = other_scores.index_code
            and numbered_pairs.edition = other_scores.edition
            and numbered_pairs.other_indicator_code = other_scores.indicator_code
            and scores.city_code = other_scores.city_code

),

-- Scores of one order are no spread.
ranges as (

    select
        pair_number,
        min(score) as least_score,
        case when max(score_order) > min(score_order) then max(score) - min(score) end as score_range,
        min(other_score) as other_least_score,
        case when max(other_score_order) > min(other_score_order) then max(other_score) - min(other_score) end
            as other_score_range
    from scored_pairs
    group by pair_number

),

placed as (

    select
        scored_pairs.pair_number,
        (scored_pairs.score - ranges.least_score) / ranges.score_range as place,
        (scored_pairs.other_score - ranges.other_least_score) / ranges.other_score_range as other_place,
        {{ rank_deviation('scored_pairs.score_order', 'scored_pairs.pair_number') | indent(8) }} as rank_deviation,
        {{ rank_deviation('scored_pairs.other_score_order', 'scored_pairs.pair_number') | indent(8) }}
            as other_rank_deviation
    from scored_pairs
    inner join ranges
        on scored_pairs.pair_number = ranges.pair_number

),

means as (

    select
        pair_number,
        {{ stable_mean('place') }} as mean_place,
        {{ stable_mean('other_place') }} as other_mean_place
    from placed
    group by pair_number

),

centred as (

    select
        placed.pair_number,
        placed.place - means.mean_place as place_deviation,
        placed.other_place - means.other_mean_place as other_place_deviation,
        placed.rank_deviation,
        placed.other_rank_deviation
    from placed
    inner join means
        on placed.pair_number = means.pair_number

),

correlated as (

    select
        pair_number,
        cast(count(*) as int) as city_count,
        {{ pearson(
            'count(*)',
            stable_sum('place_deviation * other_place_deviation'),
            stable_sum('place_deviation * place_deviation'),
            stable_sum('other_place_deviation * other_place_deviation')
        ) | indent(8) }} as pearson,
        {{ pearson(
            'count(*)',
            stable_sum('rank_deviation * other_rank_deviation'),
            stable_sum('rank_deviation * rank_deviation'),
            stable_sum('other_rank_deviation * other_rank_deviation')
        ) | indent(8) }} as spearman
    from centred
    group by pair_number

),

final as (

    select
        numbered_pairs.index_code,
        numbered_pairs.edition,
        numbered_pairs.relation,
        numbered_pairs.indicator_code,
        numbered_pairs.other_indicator_code,
        coalesce(correlated.city_count, 0) as city_count,
        correlated.pearson,
        correlated.spearman,
        {{ comparable('correlated.pearson') }} < 0 as is_negative,
        {{ comparable('abs(correlated.pearson)') }} > {{ var('collinear_correlation') }} as is_collinear
    from numbered_pairs
    left join correlated
        on numbered_pairs.pair_number = correlated.pair_number

)

select * from final
