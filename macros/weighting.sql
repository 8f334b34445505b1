{#- Weights that follow from the scores themselves: what each is proportional to, one macro for each method. -#}

{#- Entropy weight method: 1 - e, with e = -sum(p * ln(p)) / ln(n) and p a city's share of the sum of the places. With
    s the sum of the places x, -sum(p * ln(p)) = ln(s) - sum(x * ln(x)) / s, which loses no digit to small p. Shannon
    (1948); Zeleny (1982), Multiple Criteria Decision Making, chapter 7. -#}
{% macro entropy_divergence(place, city_count) -%}
    case
        when {{ city_count }} >= {{ var('correlation_least_cities') }} and sum({{ place }}) > 0
            then 1 - (
                ln({{ stable_sum(place) }})
                - {{ stable_sum('case when ' ~ place ~ ' > 0 then ' ~ place ~ ' * ln(' ~ place ~ ') else 0 end') }}
                / {{ stable_sum(place) }}
            ) / ln({{ city_count }})
    end
{%- endmacro %}

{#- CRITIC: contrast times conflict, the standard deviation of the places times the sum of 1 - correlation over the
    siblings. Diakoulaki, Mavrotas and Papayannakis (1995). Siblings that all say the same have none but for the last
    bits. -#}
{% macro critic_information(sd_place, conflict) -%}
    case
        when {{ comparable(conflict) }} > 0 then {{ sd_place }} * {{ conflict }}
        when {{ comparable(conflict) }} <= 0 then cast(0 as double)
    end
{%- endmacro %}
