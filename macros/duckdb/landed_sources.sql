{#- The landed sources on DuckDB: views over the Parquet files of raw/ and quarantine/, typed as landed.yml says, and
    empty where nothing has landed. Runs before every build, so that plain dbt reads what city-index reads. -#}
{% macro duckdb__create_landed_sources() %}
    {%- set home = env_var('CITY_INDEX_HOME', 'var') -%}
    {%- set pattern = duckdb_path(home) | trim -%}
    {%- set files = {
        'quarantine': pattern ~ '/quarantine/*/*.parquet',
        'refused_files': pattern ~ '/refused_files.parquet',
        'batches': pattern ~ '/raw/*/*.parquet',
    } -%}
    {% do run_query('create schema if not exists landed') %}
    {%- for source in graph.sources.values() if source.source_name == 'landed' -%}
        {%- set columns = columns_of_landed(source) -%}
        {%- set path = files.get(source.name, pattern ~ '/raw/' ~ source.name ~ '/*.parquet') -%}
        {%- set found = run_query("select count(*) from glob('" ~ path ~ "')").columns[0].values()[0] -%}
        {%- set query -%}
            {%- if not found -%}
                select
                {%- for name, type in columns.items() %}
                    cast(null as {{ type }}) as {{ name }}{{ ',' if not loop.last }}
                {%- endfor %}
                where false
            {%- elif source.name == 'batches' -%}
                {{ landed_batches(path, columns) }}
            {%- else -%}
                select
                {%- for name, type in columns.items() %}
                    cast({{ name }} as {{ type }}) as {{ name }}{{ ',' if not loop.last }}
                {%- endfor %}
                from (
                    -- Files from before a column was added lack it.
                    select
                    {%- for name, type in columns.items() %}
                        cast(null as {{ type }}) as {{ name }}{{ ',' if not loop.last }}
                    {%- endfor %}
                    where false
                    union all by name
                    select * from read_parquet('{{ path }}', union_by_name = true, hive_partitioning = false)
                )
            {%- endif -%}
        {%- endset -%}
        {% do run_query('create or replace view landed.' ~ source.name ~ ' as ' ~ query) %}
    {%- endfor -%}
{% endmacro %}

{#- The records of batches, which the files of raw/ carry in their metadata. -#}
{% macro landed_batches(path, columns) -%}
    select
    {%- for name, type in columns.items() %}
        cast(record.{{ name }} as {{ type }}) as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
    from (
        select unnest(from_json(decode(value), '[{
            {%- for name in columns %}"{{ name }}": "varchar"{{ ', ' if not loop.last }}{% endfor -%}
        }]')) as record
        from parquet_kv_metadata('{{ path }}')
        where decode(key) = 'city_index_batches'
    )
{%- endmacro %}
