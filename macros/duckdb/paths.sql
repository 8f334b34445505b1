{#- Paths in SQL. -#}

{#- A path as an SQL string that DuckDB reads as that one path: it takes quotes as ends and brackets as patterns. -#}
{% macro duckdb_path(path) -%}
    {{ path | replace('[', '[[]') | replace('*', '[*]') | replace('?', '[?]') | replace("'", "''") }}
{%- endmacro %}

{#- The adapter's own macro writes the path of a seed into its SQL as it stands, which a quote in the name of a folder
    breaks. -#}
{% macro duckdb__load_csv_rows(model, agate_table) -%}
    {%- set sql -%}
        copy {{ this.render() }}
        from '{{ duckdb_path(adapter.get_seed_file_path(model)) }}'
        (format csv, header true, delimiter '{{ config.get("delimiter", ",") }}')
    {%- endset -%}
    {%- do adapter.add_query(sql, abridge_sql_log=True) -%}
    {{ return(sql) }}
{%- endmacro %}
