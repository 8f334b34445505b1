{#- The columns of a wide CTE as rows of (index_code, edition, scope, indicator_code, measure_code, value); a measure is
    named after its column. -#}
{% macro long_form(relation, measures) -%}
    {%- for measure in measures %}
    select
        index_code,
        edition,
        scope,
        indicator_code,
        '{{ measure }}' as measure_code,
        cast({{ measure }} as double) as value
    from {{ relation }}
    {{- "\n    union all" if not loop.last }}
    {%- endfor %}
{%- endmacro %}
