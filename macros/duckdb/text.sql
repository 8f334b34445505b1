{#- Text and days on DuckDB; see macros/text.sql and macros/dates.sql. -#}

{% macro duckdb__joined_text(text, separator, order) -%}
    string_agg({{ text }}, '{{ separator }}' order by {{ order }})
{%- endmacro %}

{% macro duckdb__character_pairs(relation, key, text) -%}
    {%- set size = var('evidence_piece_length') -%}
    select
        {{ key | join(', ') }},
        piece,
        position,
        substr(piece, position, 2) as pair
    from (
        select
            {{ key | join(', ') }},
            piece,
            unnest(range(1, least(length(piece), {{ size }}) + 1)) as position
        from (
            select
                {{ key | join(', ') }},
                substr({{ text }}, 1 + start, {{ size + var('evidence_longest_word') }}) as piece
            from (
                select
                    {{ key | join(', ') }},
                    {{ text }},
                    unnest(range(0, length({{ text }}), {{ size }})) as start
                from {{ relation }}
                where length({{ text }}) > 1
            )
        )
    )
{%- endmacro %}

{% macro duckdb__days_between(earlier, later) -%}
    date_diff('day', {{ earlier }}, {{ later }})
{%- endmacro %}

{% macro duckdb__days_from(first, last) -%}
    cast(unnest(generate_series({{ first }}, {{ last }}, interval 1 day)) as date)
{%- endmacro %}
