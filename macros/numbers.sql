{#- Numeric helpers. What belongs here: how numbers are summed, compared and rounded, for every model alike. -#}

{#- A sum of doubles that does not depend on the order of its rows. Parallel engines add doubles in any order and
    differ in the last bits; a sum of decimals is exact, so two builds of the same input agree to the last digit.
    15 decimals leave 23 digits before the point. -#}
{% macro stable_sum(expression) -%}
    cast(sum(cast({{ expression }} as decimal(38, 15))) as double)
{%- endmacro %}

{#- A mean over the rows where the expression is not null, summed as above. -#}
{% macro stable_mean(expression) -%}
    {{ stable_sum(expression) }} / nullif(count({{ expression }}), 0)
{%- endmacro %}

{#- The value at which scores are compared: never compare or rank a bare double. -#}
{% macro comparable(expression) -%}
    round({{ expression }}, {{ var('rank_decimals') }})
{%- endmacro %}

{#- Rank within the columns of partition_by, highest first: ties share the smallest rank (1, 1, 3) and a missing
    score has no rank. Missing scores are ranked among themselves and then dropped, because engines disagree on
    where nulls sort. -#}
{% macro descending_rank(score, partition_by) -%}
    case
        when {{ score }} is not null
            then cast(
                rank() over (
                    partition by {{ partition_by | join(', ') }}, {{ score }} is null
                    order by {{ comparable(score) }} desc
                ) as int
            )
    end
{%- endmacro %}

{#- Half a unit of the last printed decimal: the largest distance that rounding explains. -#}
{% macro half_unit(decimals_variable) -%}
    {{ 0.5 * 10 ** (-var(decimals_variable)) }}
{%- endmacro %}
