with

frameworks as (

    select * from {{ ref('stg_frameworks') }}

),

-- Weights of any size are brought near one before they are summed, so that none is lost in the sum; by a power of two,
-- which changes no digit.
magnitudes as (

    select
        index_code,
        edition,
        parent_code,
        {{ magnitude_of('max(relative_weight)') }} as magnitude
    from frameworks
    where relative_weight > 0
    group by index_code, edition, parent_code

),

scaled as (

    select
        frameworks.*,
        frameworks.relative_weight / magnitudes.magnitude as scaled_weight
    from frameworks
    left join magnitudes
        on
            frameworks.index_code = magnitudes.index_code
            and frameworks.edition = magnitudes.edition
            and frameworks.parent_code is not distinct from magnitudes.parent_code

),

sibling_weights as (

    select
        index_code,
        edition,
        parent_code,
        {{ stable_sum('scaled_weight') }} as scaled_weight
    from scaled
    group by index_code, edition, parent_code

),

weighted as (

    select
        scaled.*,
        scaled.scaled_weight / nullif(sibling_weights.scaled_weight, 0) as weight
    from scaled
    inner join sibling_weights
        on
            scaled.index_code = sibling_weights.index_code
            and scaled.edition = sibling_weights.edition
            and scaled.parent_code is not distinct from sibling_weights.parent_code

),

-- Every tree has three levels below its root, so a node has at most three ancestors.
final as (

    select
        nodes.index_code,
        nodes.edition,
        nodes.indicator_code,
        nodes.parent_code,
        cast(
            case
                when parents.indicator_code is null then 0
                when grandparents.indicator_code is null then 1
                when great_grandparents.indicator_code is null then 2
                when great_grandparents.parent_code is null then 3
            end as int
        ) as level,
        nodes.is_leaf,
        nodes.name_zh,
        nodes.name_en,
        nodes.weight,
        nodes.weight
        * coalesce(parents.weight, 1)
        * coalesce(grandparents.weight, 1)
        * coalesce(great_grandparents.weight, 1) as effective_weight,
        nodes.weight_status,
        nodes.direction,
        nodes.normalisation,
        nodes.norm_low,
        nodes.norm_high,
        nodes.scale_low,
        nodes.scale_high,
        nodes.aggregation,
        nodes.missing_policy,
        nodes.min_coverage,
        nodes.denominator,
        nodes.imputation,
        nodes.treatment,
        nodes.treatment_limit,
        nodes.note
    from weighted as nodes
    left join weighted as parents
        on
            nodes.index_code = parents.index_code
            and nodes.edition = parents.edition
            and nodes.parent_code = parents.indicator_code
    left join weighted as grandparents
        on
            parents.index_code = grandparents.index_code
            and parents.edition = grandparents.edition
            and parents.parent_code = grandparents.indicator_code
    left join weighted as great_grandparents
        on
            grandparents.index_code = great_grandparents.index_code
            and grandparents.edition = great_grandparents.edition
            and grandparents.parent_code = great_grandparents.indicator_code

)

select * from final
