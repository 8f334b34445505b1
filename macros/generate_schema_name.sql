{#- Schemas are named as configured (raw, staging, intermediate), without the target's prefix: the build
    database belongs to one run alone, so there is nobody to keep apart. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
