{#- How models become tables on DuckDB. -#}

{#- The adapter builds a table under another name and swaps it with the one before. A build of ours begins with an empty
    file, where there is none before: the table is made under its own name, in one transaction, which saves each model
    three statements. Where there is one, as after a plain `dbt build` in a file that stands, the adapter's way is
    taken. -#}
{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}

    {%- if load_cached_relation(this) is not none -%}
        {{ return(dbt.materialization_table_duckdb()) }}
    {%- endif -%}

    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set language = model['language'] -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

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
