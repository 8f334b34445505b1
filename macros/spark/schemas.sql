{#- Several projects share the catalog of a cluster: every schema begins with the target's. -#}
{% macro spark__schema_of_layer(layer) -%}
    {{ target.schema }}{{ '_' ~ layer if layer }}
{%- endmacro %}
