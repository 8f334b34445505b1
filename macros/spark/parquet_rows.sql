{#- Raw rows on Spark: seeds and landed rows are views over Parquet files, typed as their YAML says. The files stand
    below CITY_INDEX_SPARK_INPUTS, a folder or an address that the cluster reads, in seeds/ and landed/;
    `python -m spark inputs` writes them. -#}

{% macro parquet_rows(path, columns) -%}
    select
    {%- for name, type in columns.items() %}
        cast({{ name }} as {{ type }}) as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
    from parquet.`{{ env_var('CITY_INDEX_SPARK_INPUTS', 'var/spark/inputs') | replace('`', '``') }}/{{ path }}`
{%- endmacro %}

{% macro spark__create_landed_sources() %}
    {%- for source in graph.sources.values() if source.source_name == 'landed' -%}
        {%- if loop.first -%}
            {% do run_query('create schema if not exists ' ~ source.schema) %}
        {%- endif -%}
        {%- set columns = columns_of_landed(source) -%}
        {% do run_query(
            'create or replace view ' ~ source.schema ~ '.' ~ source.name ~ ' as '
            ~ parquet_rows('landed/' ~ source.name ~ '.parquet', columns)
        ) %}
    {%- endfor -%}
{% endmacro %}

{#- A seed is not inserted row by row, as the adapter would: 9,000 rows take minutes so. -#}
{% materialization seed, adapter='spark' %}
    {%- set seed_view = this.incorporate(type='view') -%}
    {%- set old_relation = load_cached_relation(this) -%}
    {%- if old_relation is not none and not old_relation.is_view -%}
        {% do adapter.drop_relation(old_relation) %}
    {%- endif -%}
    {#- dbt asks each seed for its rows, to show them; nothing reads these. -#}
    {% do store_result('agate_table', response='OK') %}
    {{ run_hooks(pre_hooks) }}
    {%- call statement('main') -%}
        create or replace view {{ seed_view }} as
        {{ parquet_rows('seeds/' ~ model.name ~ '.parquet', model.config.column_types) }}
    {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [seed_view]}) }}
{% endmaterialization %}
