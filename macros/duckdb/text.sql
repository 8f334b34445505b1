{#- Text and days on DuckDB; see macros/text.sql and macros/dates.sql. -#}

{% macro duckdb__joined_text(text, separator, order) -%}
    string_agg({{ text }}, '{{ separator }}' order by {{ order }})
{%- endmacro %}

{% macro duckdb__character_pairs(relation, key, text) -%}
    select
        {{ key | join(', ') }},
        {{ text }},
        position,
        substr({{ text }}, position, 2) as pair
    from (
        select
            {{ key | join(', ') }},
            {{ text }},
            unnest(range(1, length({{ text }}))) as position
        from {{ relation }}
    )
{%- endmacro %}

{% macro duckdb__days_between(earlier, later) -%}
    date_diff('day', {{ earlier }}, {{ later }})
{%- endmacro %}
