{#- What a build may reach. -#}

{#- Close the database to everything but the files that the build reads; nobody can open it again. -#}
{% macro confine_database() %}
    {%- if execute -%}
        {{ return(adapter.dispatch('confine_database')()) }}
    {%- endif -%}
{% endmacro %}

{#- Elsewhere than on DuckDB a query reaches no file. -#}
{% macro default__confine_database() %}
{% endmacro %}
