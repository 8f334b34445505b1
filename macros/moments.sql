{#- Shape of a distribution, from sums of the powers of deviations from its mean. Both measures do not change with unit
    or origin, so they may be taken of places in 0..1. They are the sample measures G1 and G2 (excess) of Joanes and
    Gill (1998), which spreadsheets give as SKEW and KURT; not defined for fewer than three or four values, or without
    spread.

    n: count; square_sum, cube_sum, fourth_sum: sums of the second, third and fourth power of the deviations -#}
{% macro sample_skewness(n, square_sum, cube_sum) -%}
    case
        when {{ n }} > 2 and {{ square_sum }} > 0
            then
                cast({{ n }} as double) / ((cast({{ n }} as double) - 1) * ({{ n }} - 2))
                * {{ cube_sum }} / power({{ square_sum }} / ({{ n }} - 1), 1.5)
    end
{%- endmacro %}

{% macro sample_kurtosis(n, square_sum, fourth_sum) -%}
    case
        when {{ n }} > 3 and {{ square_sum }} > 0
            then
                cast({{ n }} as double) * ({{ n }} + 1)
                / ((cast({{ n }} as double) - 1) * ({{ n }} - 2) * ({{ n }} - 3))
                * {{ fourth_sum }} / power({{ square_sum }} / ({{ n }} - 1), 2)
                - 3 * power(cast({{ n }} as double) - 1, 2) / ((cast({{ n }} as double) - 2) * ({{ n }} - 3))
    end
{%- endmacro %}

{#- The same from a column of places in 0..1 and a column of their mean, over the rows of a group. -#}
{% macro skewness_of_places(place, mean_place) -%}
    {{ sample_skewness('count(' ~ place ~ ')', power_sum(place, mean_place, 2), power_sum(place, mean_place, 3)) }}
{%- endmacro %}

{% macro kurtosis_of_places(place, mean_place) -%}
    {{ sample_kurtosis('count(' ~ place ~ ')', power_sum(place, mean_place, 2), power_sum(place, mean_place, 4)) }}
{%- endmacro %}

{% macro power_sum(place, mean_place, exponent) -%}
    {{ stable_sum('power(' ~ place ~ ' - ' ~ mean_place ~ ', ' ~ exponent ~ ')') }}
{%- endmacro %}

{#- Whether a distribution has outliers by the rule of thumb of the JRC's audits. -#}
{% macro has_outliers(skewness, kurtosis) -%}
    {{ comparable('abs(' ~ skewness ~ ')') }} > {{ var('outlier_skewness') }}
    and {{ comparable(kurtosis) }} > {{ var('outlier_kurtosis') }}
{%- endmacro %}
