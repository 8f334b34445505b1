{#- The formula of the index: the score of a parent from the scores of its children, as the parent's aggregation says.

    arithmetic  sum(weight * score) / sum(weight)
    geometric   exp(sum(weight * ln(score)) / sum(weight))
    harmonic    sum(weight) / sum(weight / score)

    over the children that count. What a missing child does is the parent's choice (missing_policy):
      renormalise  it drops out and the weights of the others are rescaled
      zero         it counts as a score of 0
      fail         the parent is missing too
    Below min_coverage, the least share (by count) of direct children present, the parent is missing; a share
    equal to it passes. The geometric and the harmonic mean are defined for scores above 0 only: where a child that
    counts has none, the parent is missing.

    Source of the formulas: OECD/JRC Handbook on Constructing Composite Indicators (2008), section 6, linear and
    geometric aggregation; the harmonic mean as in the handbook's toolbox. The weights are those of the framework. -#}

{#- What the mean of an aggregation sums up, weighted, of one child. A child that does not count has a null score.

    The geometric and the harmonic mean are taken of score / least_score, the least one above 0, and brought back by it,
    so that no sum loses a digit to large or small scores and equal scores give exactly themselves. -#}
{% macro mean_basis() -%}
    case
        when aggregation = 'geometric' then case when score >= least_score then ln(score / least_score) end
        when aggregation = 'harmonic' then case when score >= least_score then least_score / score end
        else score / score_magnitude
    end
{%- endmacro %}

{#- The mean, from the weighted sum of the above and from the weights of the children that count. -#}
{% macro mean_of_children() -%}
    case
        when aggregation = 'geometric' then least_score * exp(basis_sum / nullif(used_weight, 0))
        when aggregation = 'harmonic' then least_score * used_weight / nullif(basis_sum, 0)
        else score_magnitude * basis_sum / nullif(used_weight, 0)
    end
{%- endmacro %}

{#- What the contribution of a parent is shared among its children by, where the mean is not a sum of parts: the share
    of a child is weight * basis over the sum of it. Both are above 0, and higher for a higher score.
    docs/method.md, section Contributions. -#}
{% macro share_basis(aggregation, score) -%}
    case
        when {{ aggregation }} = 'geometric' and {{ score }} > 0 then ln(1 + {{ score }})
        when {{ aggregation }} = 'harmonic' then {{ score }}
    end
{%- endmacro %}

{#- Why a group of siblings gives its parent no score, from counts of its children; null where it gives one. -#}
{% macro missing_reason_of_parent() -%}
    case
        when {{ comparable("child_coverage_share") }} < {{ comparable("coalesce(min_coverage, 0)") }}
            then 'below_min_coverage'
        when missing_policy = 'fail' and given_child_count < child_count then 'child_missing'
        when used_child_count = 0 then 'no_child'
        when aggregation in ('geometric', 'harmonic') and least_comparable_score <= 0 then 'not_positive'
    end
{%- endmacro %}

{#- One level of the tree: every parent of the given child scores, for every scenario, index, edition and city.
    Reads weights and choices from the indicators, so it holds no weight and no code.

    child_scores: a relation with the columns that this macro gives, for the children
    indicators: a relation like int_scenario_indicators -#}
{% macro parent_scores(child_scores, indicators) -%}
{%- set node = ['scenario', 'index_code', 'edition', 'indicator_code'] -%}
{%- set family = ['scenario', 'index_code', 'edition', 'city_code', 'parent_code'] -%}
with

child_scores as (

    select * from {{ child_scores }}

),

indicators as (

    select * from {{ indicators }}

),

children_of_parents as (

    select
        child_scores.scenario,
        child_scores.index_code,
        child_scores.edition,
        child_scores.city_code,
        children.parent_code,
        children.weight as nominal_weight,
        parents.aggregation,
        child_scores.score as given_score,
        -- A framework has no weight of 0, but computed weights may come to one. Such a child does not count: it can
        -- neither move a mean nor leave one undefined, and a parent that has no other one present has no score.
        case
            when children.weight > 0
                then coalesce(child_scores.score, case when parents.missing_policy = 'zero' then 0 end)
        end as score,
        child_scores.tertiary_count,
        child_scores.observed_tertiary_count,
        child_scores.imputed_tertiary_count,
        child_scores.weighted_coverage_share,
        child_scores.first_provenance,
        child_scores.last_provenance
    from child_scores
    inner join indicators as children
        on {{ same_key('child_scores', 'children', node) }}
    inner join indicators as parents
        on
            {{ same_key('children', 'parents', ['scenario', 'index_code', 'edition']) }}
            and children.parent_code = parents.indicator_code

),

measured as (

    select
        *,
        min(case when {{ comparable('score') }} > 0 then score end) over (
            partition by {{ family | join(', ') }}
        ) as least_score,
        max(abs(score)) over (partition by {{ family | join(', ') }}) as largest_size,
        max(case when score is not null then nominal_weight end) over (
            partition by {{ family | join(', ') }}
        ) as largest_used_weight
    from children_of_parents

),

-- Where only light children are present, or all score next to nothing, weights and scores are brought near one before
-- they are summed, so that no digit is lost in the sum.
scaled as (

    select
        *,
        {{ magnitude_of("largest_used_weight") }} as weight_magnitude,
        nominal_weight / {{ magnitude_of("largest_used_weight") }} as weight,
        case
            when largest_size > 0 and largest_size < 1 then {{ magnitude_of("largest_size") }}
            else cast(1 as double)
        end as score_magnitude
    from measured

),

sums as (

    select
        {{ family | join(', ') }},
        count(*) as child_count,
        count(given_score) as given_child_count,
        count(score) as used_child_count,
        min({{ comparable("score") }}) as least_comparable_score,
        max(least_score) as least_score,
        max(weight_magnitude) as weight_magnitude,
        max(score_magnitude) as score_magnitude,
        {{ stable_sum("case when score is not null then weight end") }} as used_weight,
        {{ stable_sum("weight * " ~ mean_basis()) }} as basis_sum,
        {{ stable_sum("weight * (" ~ share_basis("aggregation", "score") ~ ") / score_magnitude") }} as share_basis_sum,
        {{ stable_sum("nominal_weight * weighted_coverage_share") }} / nullif({{ stable_sum("nominal_weight") }}, 0)
            as weighted_coverage_share,
        cast(sum(tertiary_count) as int) as tertiary_count,
        cast(sum(observed_tertiary_count) as int) as observed_tertiary_count,
        cast(sum(imputed_tertiary_count) as int) as imputed_tertiary_count,
        min(first_provenance) as first_provenance,
        max(last_provenance) as last_provenance
    from scaled
    group by {{ family | join(', ') }}

),

chosen as (

    select
        sums.*,
        indicators.aggregation,
        indicators.missing_policy,
        indicators.min_coverage,
        sums.given_child_count / cast(sums.child_count as double) as child_coverage_share
    from sums
    inner join indicators
        on
            {{ same_key('sums', 'indicators', ['scenario', 'index_code', 'edition']) }}
            and sums.parent_code = indicators.indicator_code

),

parents as (

    select
        *,
        {{ missing_reason_of_parent() | indent(8) }} as missing_reason,
        {{ mean_of_children() | indent(8) }} as mean_score
    from chosen

),

final as (

    select
        scenario,
        index_code,
        edition,
        city_code,
        parent_code as indicator_code,
        case when missing_reason is null then mean_score end as score,
        missing_reason,
        weight_magnitude * used_weight as used_weight,
        weight_magnitude * score_magnitude * share_basis_sum as share_divisor,
        child_coverage_share,
        weighted_coverage_share,
        tertiary_count,
        observed_tertiary_count,
        imputed_tertiary_count,
        first_provenance,
        last_provenance
    from parents

)

select * from final
{%- endmacro %}

{#- The whole tree above the given tertiary scores, in one relation: secondaries, primaries and totals. -#}
{% macro tree_scores(tertiary_scores, indicators) -%}
with

secondaries as (

    {{ parent_scores(tertiary_scores, indicators) | indent(4) }}

),

primaries as (

    {{ parent_scores('secondaries', indicators) | indent(4) }}

),

totals as (

    {{ parent_scores('primaries', indicators) | indent(4) }}

),

final as (

    select * from secondaries
    union all
    select * from primaries
    union all
    select * from totals

)

select * from final
{%- endmacro %}

{#- The points of the total that one point of a child's score is worth. Under an arithmetic parent that is the parent's
    worth times the child's share of the weights that count, exactly. Under the others the parent's contribution is
    shared out by share_basis. -#}
{% macro points_of_child(parent, child) -%}
    case
        when {{ parent }}.points_per_score is null then null
        when {{ parent }}.score is null then cast(0 as double)
        when {{ parent }}.aggregation = 'arithmetic'
            then {{ parent }}.points_per_score * {{ child }}.weight / {{ parent }}.used_weight
        when {{ child }}.score is null then cast(0 as double)
        else
            {{ parent }}.points_per_score * {{ parent }}.score
            * {{ child }}.weight
            * {{ share_basis(parent ~ '.aggregation', child ~ '.score') | indent(12) }}
            / ({{ parent }}.share_divisor * {{ child }}.score)
    end
{%- endmacro %}
