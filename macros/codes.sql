{#- How codes of nodes are kept in the tables of a build. -#}

{#- Let an engine know the codes that there are, from a relation with the columns column_name and code. -#}
{% macro make_code_types(codes) %}
    {%- if execute -%}
        {{ return(adapter.dispatch('make_code_types')(codes)) }}
    {%- endif -%}
{% endmacro %}

{#- Elsewhere than on DuckDB codes stay text. -#}
{% macro default__make_code_types(codes) %}
{% endmacro %}

{#- That a model needs another one to be there before it, from which it reads nothing. -#}
{% macro needs(relation) %}
{% endmacro %}
