with

measures as (

    select * from {{ ref('int_sibling_measures') }}

),

sibling_scores as (

    select * from {{ ref('int_sibling_scores') }}

),

-- Pairs grow with the square of the siblings, so large groups form none.
paired_children as (

    select * from measures
    where
        child_count <= {{ var('audit_max_siblings') }}
        and city_count >= {{ var('correlation_least_cities') }}
        and square_sum > 0

),

products as (

    select
        scores.index_code,
        scores.edition,
        scores.parent_code,
        scores.indicator_code,
        other_scores.indicator_code as other_indicator_code,
        {{ stable_sum('scores.place_deviation * other_scores.place_deviation') }} as product_sum
    from sibling_scores as scores
    inner join sibling_scores as other_scores
        on
            scores.index_code = other_scores.index_code
            and scores.edition = other_scores.edition
            and scores.parent_code = other_scores.parent_code
            and scores.city_code = other_scores.city_code
            and scores.indicator_code < other_scores.indicator_code
    inner join paired_children
        on
            scores.index_code = paired_children.index_code
            and scores.edition = paired_children.edition
            and scores.indicator_code = paired_children.indicator_code
    group by
        scores.index_code,
        scores.edition,
        scores.parent_code,
        scores.indicator_code,
        other_scores.indicator_code

),

correlations as (

    select
        products.index_code,
        products.edition,
        products.parent_code,
        products.indicator_code,
        products.other_indicator_code,
        {{ pearson(
            'children.city_count',
            'products.product_sum',
            'children.square_sum',
            'other_children.square_sum'
        ) | indent(8) }} as correlation
    from products
    inner join paired_children as children
        on
            products.index_code = children.index_code
            and products.edition = children.edition
            and products.indicator_code = children.indicator_code
    inner join paired_children as other_children
        on
            products.index_code = other_children.index_code
            and products.edition = other_children.edition
            and products.other_indicator_code = other_children.indicator_code

),

-- Both ways round, so that a child finds all its siblings in one place.
final as (

    select * from correlations
    union all
    select
        index_code,
        edition,
        parent_code,
        other_indicator_code as indicator_code,
        indicator_code as other_indicator_code,
        correlation
    from correlations

)

select * from final
