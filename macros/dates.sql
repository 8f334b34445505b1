{#- Days, months and years. -#}

{#- The last day of a year; null where the number is no year. -#}
{% macro year_end(year) -%}
    case when {{ year }} between 1 and 9999 then make_date(cast({{ year }} as int), 12, 31) end
{%- endmacro %}

{#- Days from one day to a later one. -#}
{% macro days_between(earlier, later) -%}
    {{ return(adapter.dispatch('days_between')(earlier, later)) }}
{%- endmacro %}

{% macro default__days_between(earlier, later) -%}
    datediff({{ later }}, {{ earlier }})
{%- endmacro %}
