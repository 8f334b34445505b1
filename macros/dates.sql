{#- Days, months and years. -#}

{#- The last day of a year; null where the number is none that a record could have. -#}
{% macro year_end(year) -%}
    case when {{ year }} between 1900 and 2200 then make_date(cast({{ year }} as int), 12, 31) end
{%- endmacro %}

{#- Days from one day to a later one. -#}
{% macro days_between(earlier, later) -%}
    {{ return(adapter.dispatch('days_between')(earlier, later)) }}
{%- endmacro %}

{% macro default__days_between(earlier, later) -%}
    datediff({{ later }}, {{ earlier }})
{%- endmacro %}

{#- Every day from the first to the last, a row each, in place of the row that names the two. -#}
{% macro days_from(first, last) -%}
    {{ return(adapter.dispatch('days_from')(first, last)) }}
{%- endmacro %}

{% macro default__days_from(first, last) -%}
    explode(sequence({{ first }}, {{ last }}))
{%- endmacro %}
