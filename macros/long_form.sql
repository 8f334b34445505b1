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

{#- The names of the boolean columns that are true, without is_ or has_, joined by commas; null where none is. -#}
{% macro names_of_flags(columns) -%}
    nullif(
        substring(
            {%- for column in columns %}
            case when {{ column }} then ', {{ column | replace("is_", "") | replace("has_", "") }}' else '' end
            {{- " ||" if not loop.last }}
            {%- endfor %},
            3
        ),
        ''
    )
{%- endmacro %}
