{#- The year of a statistic that an edition takes: at or before its own year rather than after it; of those the one that
    covers most of the edition's cities, and of equals the newest. The smallest number is the preferred year. -#}
{% macro year_preference(index_code, edition, statistic_code, year, edition_number) -%}
    row_number() over (
        partition by {{ index_code }}, {{ edition }}, {{ statistic_code }}
        order by
            case when {{ year }} <= coalesce({{ edition_number }}, {{ year }}) then 0 else 1 end,
            count(*) desc,
            {{ year }} desc
    )
{%- endmacro %}
