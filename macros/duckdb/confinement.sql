{#- On DuckDB: the landed rows, the quarantine, the list of refused files and the seeds, and nothing else. -#}
{% macro duckdb__confine_database() %}
    {%- set home = env_var('CITY_INDEX_HOME', 'var') -%}
    {%- set paths = [home ~ '/raw', home ~ '/quarantine', home ~ '/refused_files.parquet'] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'seed' -%}
        {%- do paths.append(adapter.get_seed_file_path(node)) -%}
    {%- endfor -%}
    {%- set listed = [] -%}
    {%- for path in paths -%}
        {%- do listed.append("'" ~ path | replace("'", "''") ~ "'") -%}
        {#- A pattern is held against what is allowed as it stands. -#}
        {%- do listed.append("'" ~ duckdb_path(path) | trim ~ "'") -%}
    {%- endfor -%}
    {%- set (is_open,) = run_query("select current_setting('enable_external_access')").columns[0].values() -%}
    {%- if is_open -%}
        {% do run_query('set global allowed_directories = [' ~ listed | join(', ') ~ ']') %}
        {% do run_query('set global allowed_paths = [' ~ listed | join(', ') ~ ']') %}
        {% do run_query('set global enable_external_access = false') %}
        {% do run_query('set global lock_configuration = true') %}
    {%- endif -%}
{% endmacro %}
