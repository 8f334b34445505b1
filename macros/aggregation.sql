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

{#- Weighted sum of an expression over one group of siblings; a child that does not count has a null score. -#}
{% macro weighted_sum(expression) -%}
    {{ stable_sum("weight * " ~ expression) }}
{%- endmacro %}

{#- The weights that count. -#}
{% macro used_weight() -%}
    {{ stable_sum("case when score is not null then weight end") }}
{%- endmacro %}

{% macro arithmetic_mean() -%}
    max(score_magnitude) * {{ weighted_sum("(score / score_magnitude)") }} / nullif({{ used_weight() }}, 0)
{%- endmacro %}

{#- Both means below are taken of score / least_score, the least one above 0, and brought back by it, so that no sum
    loses a digit to large or small scores and equal scores give exactly themselves. -#}
{% macro geometric_mean() -%}
    max(least_score) * exp(
        {{ weighted_sum("case when score >= least_score then ln(score / least_score) end") }}
        / nullif({{ used_weight() }}, 0)
    )
{%- endmacro %}

{% macro harmonic_mean() -%}
    max(least_score) * {{ used_weight() }}
    / nullif({{ weighted_sum("case when score >= least_score then least_score / score end") }}, 0)
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
        when
            {{ comparable("count(given_score) / cast(count(*) as double)") }}
            < {{ comparable("coalesce(min_coverage, 0)") }}
            then 'below_min_coverage'
        when missing_policy = 'fail' and count(given_score) < count(*) then 'child_missing'
        when count(score) = 0 then 'no_child'
        when
            aggregation in ('geometric', 'harmonic')
            and min({{ comparable("score") }}) <= 0
            then 'not_positive'
    end
{%- endmacro %}

{#- One level of the tree: every parent of the given child scores, for every scenario, index, edition and city.
    Reads weights and choices from the indicators, so it holds no weight and no code.

    child_scores: a relation with the columns that this macro gives, for the children
    indicators: a relation like int_scenario_indicators -#}
{% macro parent_scores(child_scores, indicators) -%}
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
        parents.missing_policy,
        parents.min_coverage,
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
        on
            child_scores.scenario = children.scenario
            and child_scores.index_code = children.index_code
            and child_scores.edition = children.edition
            and child_scores.indicator_code = children.indicator_code
    inner join indicators as parents
        on
            children.scenario = parents.scenario
            and children.index_code = parents.index_code
            and children.edition = parents.edition
            and children.parent_code = parents.indicator_code

),

measured as (

    select
        *,
        min(case when {{ comparable('score') }} > 0 then score end) over (
            partition by scenario, index_code, edition, city_code, parent_code
        ) as least_score,
        max(abs(score)) over (
            partition by scenario, index_code, edition, city_code, parent_code
        ) as largest_size,
        max(case when score is not null then nominal_weight end) over (
            partition by scenario, index_code, edition, city_code, parent_code
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

parents as (

    select
        scenario,
        index_code,
        edition,
        city_code,
        parent_code as indicator_code,
        aggregation,
        {{ missing_reason_of_parent() }} as missing_reason,
        case
            when aggregation = 'geometric' then {{ geometric_mean() }}
            when aggregation = 'harmonic' then {{ harmonic_mean() }}
            else {{ arithmetic_mean() }}
        end as mean_score,
        max(weight_magnitude) * {{ used_weight() }} as used_weight,
        max(weight_magnitude) * max(score_magnitude)
        * {{ weighted_sum("(" ~ share_basis("aggregation", "score") ~ ") / score_magnitude") | indent(8) }}
            as share_divisor,
        count(given_score) / cast(count(*) as double) as child_coverage_share,
        {{ stable_sum("nominal_weight * weighted_coverage_share") }} / nullif({{ stable_sum("nominal_weight") }}, 0)
            as weighted_coverage_share,
        cast(sum(tertiary_count) as int) as tertiary_count,
        cast(sum(observed_tertiary_count) as int) as observed_tertiary_count,
        cast(sum(imputed_tertiary_count) as int) as imputed_tertiary_count,
        min(first_provenance) as first_provenance,
        max(last_provenance) as last_provenance
    from scaled
    group by scenario, index_code, edition, city_code, parent_code, aggregation, missing_policy, min_coverage

),

final as (

    select
        scenario,
        index_code,
        edition,
        city_code,
        indicator_code,
        case when missing_reason is null then mean_score end as score,
        missing_reason,
        used_weight,
        share_divisor,
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
