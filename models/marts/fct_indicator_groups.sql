with

measures as (

    select * from {{ ref('int_sibling_measures') }}

),

sibling_scores as (

    select * from {{ ref('int_sibling_scores') }}

),

components as (

    select * from {{ ref('int_sibling_components') }}

),

-- Raw scores in one unit for all children of a parent, the widest range among them, so that scores of any size can be
-- squared; alpha does not change with a unit that all children share.
groups as (

    select
        index_code,
        edition,
        parent_code,
        max(child_count) as child_count,
        max(city_count) as city_count,
        max(score_range) as widest_range
    from measures
    group by index_code, edition, parent_code

),

variances as (

    select
        measures.index_code,
        measures.edition,
        measures.parent_code,
        {{ stable_sum(
            'power(measures.score_range * measures.sd_place / groups.widest_range, 2)'
        ) }} as variance_sum
    from measures
    inner join groups
        on
            measures.index_code = groups.index_code
            and measures.edition = groups.edition
            and measures.parent_code = groups.parent_code
    group by measures.index_code, measures.edition, measures.parent_code

),

-- A child without spread moves no sum.
city_sums as (

    select
        sibling_scores.index_code,
        sibling_scores.edition,
        sibling_scores.parent_code,
        sibling_scores.city_code,
        {{ stable_sum(
            'sibling_scores.place_deviation * (sibling_scores.score_range / groups.widest_range)'
        ) }} as deviation
    from sibling_scores
    inner join groups
        on
            sibling_scores.index_code = groups.index_code
            and sibling_scores.edition = groups.edition
            and sibling_scores.parent_code = groups.parent_code
    group by
        sibling_scores.index_code,
        sibling_scores.edition,
        sibling_scores.parent_code,
        sibling_scores.city_code

),

variances_of_sums as (

    select
        index_code,
        edition,
        parent_code,
        {{ stable_sum('deviation * deviation') }} / nullif(count(*) - 1, 0) as variance_of_sum
    from city_sums
    group by index_code, edition, parent_code

),

component_shares as (

    select
        index_code,
        edition,
        parent_code,
        max(first_component_share) as first_component_share
    from components
    group by index_code, edition, parent_code

),

final as (

    select
        groups.index_code,
        groups.edition,
        groups.parent_code as indicator_code,
        groups.child_count,
        groups.city_count,
        case
            when groups.city_count >= {{ var('correlation_least_cities') }}
                then
                    {{ cronbach_alpha(
                        'groups.child_count',
                        'variances.variance_sum',
                        'variances_of_sums.variance_of_sum'
                    ) | indent(20) }}
        end as cronbach_alpha,
        component_shares.first_component_share
    from groups
    left join variances
        on
            groups.index_code = variances.index_code
            and groups.edition = variances.edition
            and groups.parent_code = variances.parent_code
    left join variances_of_sums
        on
            groups.index_code = variances_of_sums.index_code
            and groups.edition = variances_of_sums.edition
            and groups.parent_code = variances_of_sums.parent_code
    left join component_shares
        on
            groups.index_code = component_shares.index_code
            and groups.edition = component_shares.edition
            and groups.parent_code = component_shares.parent_code

)

select * from final
