{#- The formula of the index: the score of a parent from the scores of its children.

    score = sum(weight * score) / sum(weight), over the children that are present.

    What a missing child does is the parent's choice (missing_policy):
      renormalise  it drops out and the weights of the others are rescaled
      zero         it counts as a score of 0
      fail         the parent is missing too
    Below min_coverage, the least share (by count) of direct children present, the parent is missing; a share
    equal to it passes.

    Source of the formula: linear aggregation, OECD/JRC Handbook on Constructing Composite Indicators (2008),
    section 6; the weights are those of the framework. -#}

{#- The weights that count, in one group of siblings: the divisor of the mean. -#}
{% macro used_weight(score, weight, missing_policy) -%}
    {{ stable_sum("case when " ~ score ~ " is not null or " ~ missing_policy ~ " = 'zero' then " ~ weight ~ " end") }}
{%- endmacro %}

{#- The largest weight that counts, in one group of siblings. -#}
{% macro used_magnitude(score, weight, missing_policy) -%}
    max(case when {{ score }} is not null or {{ missing_policy }} = 'zero' then {{ weight }} end)
{%- endmacro %}

{#- Whether a group of siblings may have a score at all. -#}
{% macro has_enough_children(score, missing_policy, min_coverage) -%}
    {{ comparable("count(" ~ score ~ ") / cast(count(*) as double)") }}
    >= {{ comparable("coalesce(" ~ min_coverage ~ ", 0)") }}
    and not ({{ missing_policy }} = 'fail' and count({{ score }}) < count(*))
{%- endmacro %}

{#- The weighted mean of one group of siblings; null where the group may not have a score. -#}
{% macro weighted_mean(score, weight, missing_policy, min_coverage) -%}
    case
        when {{ has_enough_children(score, missing_policy, min_coverage) }}
            then
                coalesce({{ stable_sum(weight ~ " * " ~ score) }}, 0)
                / nullif({{ used_weight(score, weight, missing_policy) }}, 0)
    end
{%- endmacro %}

{#- One level of the tree: every parent of the given child scores, for every index, edition and city.
    Reads weights and policies from int_indicators, so it holds no weight and no code. -#}
{% macro parent_scores(child_scores) -%}
with

child_scores as (

    select * from {{ child_scores }}

),

indicators as (

    select * from {{ ref('int_indicators') }}

),

children_of_parents as (

    select
        child_scores.index_code,
        child_scores.edition,
        child_scores.city_code,
        children.parent_code,
        children.weight,
        parents.missing_policy,
        parents.min_coverage,
        child_scores.score,
        child_scores.tertiary_count,
        child_scores.observed_tertiary_count,
        child_scores.first_provenance,
        child_scores.last_provenance,
        {{ used_magnitude('child_scores.score', 'children.weight', 'parents.missing_policy') }} over (
            partition by
                child_scores.index_code, child_scores.edition, child_scores.city_code, children.parent_code
        ) as largest_used_weight
    from child_scores
    inner join indicators as children
        on
            child_scores.index_code = children.index_code
            and child_scores.edition = children.edition
            and child_scores.indicator_code = children.indicator_code
    inner join indicators as parents
        on
            children.index_code = parents.index_code
            and children.edition = parents.edition
            and children.parent_code = parents.indicator_code

),

-- Where only light children are present, their weights are brought near one before they are summed, so that no digit is
-- lost in the sum; by a power of two, which changes none.
scaled as (

    select
        *,
        power(cast(2 as double), floor(log2(largest_used_weight))) as magnitude,
        weight / power(cast(2 as double), floor(log2(largest_used_weight))) as scaled_weight
    from children_of_parents

),

final as (

    select
        index_code,
        edition,
        city_code,
        parent_code as indicator_code,
        {{ weighted_mean('score', 'scaled_weight', 'missing_policy', 'min_coverage') }} as score,
        max(magnitude) * {{ used_weight('score', 'scaled_weight', 'missing_policy') }} as used_weight,
        cast(sum(tertiary_count) as int) as tertiary_count,
        cast(sum(observed_tertiary_count) as int) as observed_tertiary_count,
        min(first_provenance) as first_provenance,
        max(last_provenance) as last_provenance
    from scaled
    group by index_code, edition, city_code, parent_code, missing_policy, min_coverage

)

select * from final
{%- endmacro %}
