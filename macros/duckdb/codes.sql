{#- Codes on DuckDB. The widest tables of a build repeat a few codes of indices, editions and indicators in every row.
    Kept as numbers with a dictionary (ENUM) they are compared and shown as the text that they stand for, and are
    written, joined and sorted as the numbers that they are. A model says in its meta which of its columns hold which
    codes:

        codes: {indicator_code: indicator_code, parent_code: indicator_code}

    and what reads those columns carries them on, until they meet text. What is published is text: contracts say so. -#}

{#- The kinds of codes, each of which has a type; int_codes holds the codes of each. -#}
{% macro kinds_of_codes() %}
    {{ return(['index_code', 'edition', 'indicator_code', 'scenario']) }}
{% endmacro %}

{#- The name of the type of some codes. -#}
{% macro code_type(code) -%}
    {{ ref('int_codes').include(identifier=false) }}.type_of_{{ code }}
{%- endmacro %}

{#- One type for each kind of code, sorted as text is. A build begins with an empty file; in one that stands, as after a
    plain `dbt build`, the types are made anew with the codes that there are now. -#}
{% macro duckdb__make_code_types(codes) %}
    {%- for code in kinds_of_codes() %}
        {%- set type = codes.include(identifier=false) ~ '.type_of_' ~ code -%}
        {% do run_query('drop type if exists ' ~ type) %}
        {% do run_query(
            'create type ' ~ type ~ ' as enum (select code from ' ~ codes
            ~ " where column_name = '" ~ code ~ "' order by code)"
        ) %}
    {%- endfor %}
{% endmacro %}

{#- A query whose columns of codes have the types of their codes. -#}
{% macro with_codes(sql, codes) -%}
    select * replace (
        {%- for column, code in codes.items() %}
        cast({{ column }} as {{ code_type(code) }}) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    )
    from (
        {{ sql }}
    ) as coded
{%- endmacro %}

{#- A query whose codes are text, whatever they are in what it reads. -#}
{% macro without_codes(sql) -%}
    {%- set coded = [] -%}
    {%- for column in adapter.get_column_schema_from_query(sql) if column.dtype.startswith('ENUM') -%}
        {%- do coded.append('cast(' ~ column.name ~ ' as varchar) as ' ~ column.name) -%}
    {%- endfor -%}
    {%- if coded -%}
        select * replace ({{ coded | join(', ') }})
        from (
            {{ sql }}
        ) as uncoded
    {%- else -%}
        {{ sql }}
    {%- endif -%}
{%- endmacro %}

{#- Rows that a unit test gives have codes of their own. -#}
{% macro duckdb__safe_cast(field, type) -%}
    {{ dbt.default__safe_cast(field, 'varchar' if type.startswith('ENUM') else type) }}
{%- endmacro %}
