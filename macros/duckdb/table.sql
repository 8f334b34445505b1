{#- How models become tables on DuckDB. -#}

{#- The adapter builds a table under another name and swaps it with the one before. A build of ours begins with an empty
    file, where there is none before: the table is made under its own name, in one transaction, which saves each model
    three statements. Where there is one, as after a plain `dbt build` in a file that stands, the same transaction drops
    it first. A Python model writes in a transaction of its own, so for it the drop comes before; if it fails, no table
    is left. -#}
{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}

    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set language = model['language'] -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if existing_relation is not none and language == 'python' %}
        {% do adapter.drop_relation(existing_relation) %}
    {%- elif existing_relation is not none %}
        {% call statement('drop_existing') -%}
            {{ get_drop_sql(existing_relation) }}
        {%- endcall %}
    {%- endif %}

    {% call statement('main', language=language) -%}
        {{- create_table_as(False, target_relation, compiled_code, language) }}
    {%- endcall %}

    {% do create_indexes(target_relation) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do persist_docs(target_relation, model) %}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}

{% endmaterialization %}
