{#- Numeric helpers. What belongs here: how numbers are summed, compared and rounded, for every model alike. -#}

{#- A sum of doubles that does not depend on the order of its rows. Parallel engines add doubles in any order and
    differ in the last bits; a sum of decimals is exact, so two builds of the same input agree to the last digit.
    15 decimals leave 23 digits before the point. With partition_by it is a window's sum. -#}
{% macro stable_sum(expression, partition_by=none) -%}
    cast(sum(cast({{ expression }} as decimal(38, 15))){{ window_of(partition_by) }} as double)
{%- endmacro %}

{#- A mean over the rows where the expression is not null, summed as above. -#}
{% macro stable_mean(expression, partition_by=none) -%}
    {{ stable_sum(expression, partition_by) }} / nullif(count({{ expression }}){{ window_of(partition_by) }}, 0)
{%- endmacro %}

{#- A weighted mean over the rows where both are not null, summed as above; null where the weights come to nothing. -#}
{% macro stable_weighted_mean(weight, expression) -%}
    {{ stable_sum(weight ~ ' * ' ~ expression) }}
    / nullif({{ stable_sum('case when ' ~ expression ~ ' is not null then ' ~ weight ~ ' end') }}, 0)
{%- endmacro %}

{% macro window_of(partition_by) -%}
    {%- if partition_by %} over (partition by {{ partition_by | join(', ') }}){% endif -%}
{%- endmacro %}

{#- The power of two at or below a size, for bringing numbers near one before they are summed: it changes no digit. Held
    above where its inverse would be infinite; null for 0. -#}
{% macro magnitude_of(size) -%}
    case when {{ size }} > 0 then power(cast(2 as double), greatest(floor(log2({{ size }})), -1000)) end
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

{#- How wide the scale of a tertiary is: of a z-score one standard deviation; null for ranks, which have none. -#}
{% macro width_of_scale() -%}
    case
        when normalisation = 'z_score' and scale_high > 0 then scale_high
        when normalisation <> 'z_score' and scale_high > scale_low then scale_high - scale_low
    end
{%- endmacro %}

{#- Decimals at which people read scores of a scale this wide: the report's on a scale of 100, two more on one of 1. -#}
{% macro decimals_of_scale(scale_width) -%}
    greatest(least({{ var('report_decimals') }} + 2 - cast(round(log10({{ scale_width }})) as int), 6), 0)
{%- endmacro %}

{#- A score rounded for people; the number of decimals is a column. -#}
{% macro rounded(score, decimals) -%}
    case {{ decimals }}
        {%- for places in range(7) %}
        when {{ places }} then round({{ score }}, {{ places }})
        {%- endfor %}
    end
{%- endmacro %}

{#- The whole number that a text is; null where it is none. A bare cast rounds in one engine and fails in another. -#}
{% macro whole_number(text) -%}
    case
        when translate({{ text }}, '0123456789', '') = '' and length({{ text }}) < 19
            then try_cast({{ text }} as bigint)
    end
{%- endmacro %}

{#- A number to 15 significant digits, which every double holds; as it is where no power of ten is exact enough. -#}
{% macro significant(number) -%}
    case
        when abs({{ number }}) >= 1e-7 and abs({{ number }}) < 1e15
            then
                round({{ number }} * power(cast(10 as double), 14 - floor(log10(abs({{ number }})))))
                / power(cast(10 as double), 14 - floor(log10(abs({{ number }}))))
        else {{ number }}
    end
{%- endmacro %}

{#- A number that is finite and can be calculated with; null where it is not. The bound is portable: see is_finite. -#}
{% macro finite(expression) -%}
    case when abs({{ expression }}) < 1e300 then {{ expression }} end
{%- endmacro %}
