{#- Contracts on Spark: columns and types are held against the YAML before a table is written, as everywhere. A catalog
    of plain Parquet tables knows no constraints, and the adapter would add them where no file format is named; keys are
    the data tests'. -#}
{% macro spark__persist_constraints(relation, model) %}
{% endmacro %}
