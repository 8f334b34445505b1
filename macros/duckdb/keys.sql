{#- Keys on DuckDB. An index of every key takes more time and room than the rows of a wide fact themselves, and nothing
    in a build looks a row up by its key. So the primary key of a contract is not declared: it is asked for once, when
    all rows are there, and a build that breaks it fails with the first key that stands twice. The published tables,
    which are looked up, declare it. -#}

{% macro duckdb__get_table_columns_and_constraints() -%}
    {%- set columns = adapter.render_raw_columns_constraints(raw_columns=model['columns']) -%}
    {%- set others = model['constraints'] | rejectattr('type', 'equalto', 'primary_key') | list -%}
    {%- set constraints = adapter.render_raw_model_constraints(raw_constraints=others) -%}
    ({{ (columns + constraints) | join(', ') }})
{%- endmacro %}

{% macro duckdb__create_table_as(
    temporary, relation, compiled_code, language='sql', partitioned_by=none, sorted_by=none
) -%}
    {%- if language == 'sql' and not temporary -%}
        {%- set codes = config.get('meta', {}).get('codes', {}) -%}
        {%- if config.get('contract').enforced -%}
            {%- set compiled_code = without_codes(compiled_code) -%}
        {%- elif codes -%}
            {%- set compiled_code = with_codes(compiled_code, codes) -%}
        {%- endif -%}
    {%- endif -%}
    {{ dbt.duckdb__create_table_as(temporary, relation, compiled_code, language, partitioned_by, sorted_by) }}
    {%- if config.get('contract').enforced and not temporary -%}
        {%- if language != 'sql' -%}
            {{ exceptions.raise_compiler_error('a contract of a Python model would not be held: ' ~ this.identifier) }}
        {%- endif -%}
        {%- for constraint in model['constraints'] if constraint['type'] == 'primary_key' -%}
            {{ error_of_repeated_key(relation, constraint['columns']) }}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#- A statement that fails where a key stands in more than one row. Hashes of keys are narrower than keys: only rows
    whose hash stands twice are looked at. It counts, so that it has read everything before it gives anything. -#}
{% macro error_of_repeated_key(relation, key) -%}
    {%- set columns = key | join(', ') -%}
    select count(error(
        '{{ this.identifier }} has more than one row of {{ columns }}: ' || concat_ws(', ', {{ columns }})
    ))
    from (
        select {{ columns }}
        from {{ relation }}
        where hash({{ columns }}) in (
            select key_hash
            from (select hash({{ columns }}) as key_hash from {{ relation }}) as hashes
            group by key_hash
            having count(*) > 1
        )
        group by {{ columns }}
        having count(*) > 1
        limit 1
    ) as repeated;
{%- endmacro %}
