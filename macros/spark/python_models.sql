{#- How the table of a Python model is written: the adapter's own way names a file format where the default of the
    catalog is meant, and takes what the model gives through libraries that nobody needs here. All else is the
    adapter's. -#}
{% macro spark__create_table_as(temporary, relation, compiled_code, language='sql') -%}
    {%- if language == 'python' -%}
{{ compiled_code }}

model(dbtObj(spark.table), spark).write.mode("overwrite").saveAsTable("{{ relation }}")
    {%- else -%}
        {{ dbt.spark__create_table_as(temporary, relation, compiled_code, language) }}
    {%- endif -%}
{%- endmacro %}
