{#- The cities of each edition: those with at least one observation in it. -#}
{% macro cities_of_editions(observations) -%}
    select distinct
        index_code,
        edition,
        city_code
    from {{ observations }}
    where value is not null
{%- endmacro %}
