{#- How the schemas of the layers are named. -#}

{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ adapter.dispatch('schema_of_layer')(custom_schema_name) | trim }}
{%- endmacro %}

{#- As configured (raw, staging, intermediate), without the target's prefix: the build database belongs to one run
    alone, so there is nobody to keep apart. -#}
{% macro default__schema_of_layer(layer) -%}
    {{ layer or target.schema }}
{%- endmacro %}
