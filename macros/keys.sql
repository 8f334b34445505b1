{#- That rows of two relations have the same key. -#}
{% macro same_key(left, right, key) -%}
    {%- for column in key -%}
        {{ left }}.{{ column }} = {{ right }}.{{ column }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
