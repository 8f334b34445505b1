{#- What has landed beside the seeds, and which of several versions of a row counts. -#}

{#- Make the relations that the source `landed` names. -#}
{% macro create_landed_sources() %}
    {%- if execute -%}
        {{ return(adapter.dispatch('create_landed_sources')()) }}
    {%- endif -%}
{% endmacro %}

{#- The columns of a landed relation with their types, as landed.yml has them: of a kind, those of its batches too. -#}
{% macro columns_of_landed(source) %}
    {%- set columns = {} -%}
    {%- for column in source.columns.values() -%}
        {%- do columns.update({column.name: column.data_type}) -%}
    {%- endfor -%}
    {%- if source.config.meta.get('key') -%}
        {%- do columns.update(source.config.meta['batch_columns']) -%}
    {%- endif -%}
    {{ return(columns) }}
{% endmacro %}

{#- The key of each landing kind, as landed.yml has it; a test holds the two together. -#}
{% macro landing_keys() %}
    {{ return({
        'cities': ['city_code'],
        'frameworks': ['index_code', 'edition', 'indicator_code'],
        'statistics': ['city_code', 'year', 'statistic_code'],
        'observations': ['index_code', 'edition', 'city_code', 'indicator_code'],
        'hospitals': ['hospital_code', 'standard_code', 'standard_version', 'assessed_on'],
        'evidence': ['evidence_id'],
    }) }}
{% endmacro %}

{#- All versions of the rows of a kind: the shipped ones, which count as batch 0, and the landed ones. -#}
{% macro all_versions(seed, landed, columns) -%}
with

seeds as (

    select * from {{ seed }}

),

landed as (

    select * from {{ landed }}

),

final as (

    select
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}
        '{{ var("seed_batch_id") }}' as batch_id,
        0 as batch_number,
        'seeds' as file_name,
        cast(null as timestamp) as received_at_utc
    from seeds
    union all
    select
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}
        batch_id,
        batch_number,
        file_name,
        received_at_utc
    from landed

)

select * from final
{%- endmacro %}

{#- The version of each row that counts: that of the latest batch which gives its key. A batch gives a key once.
    Joined on the key alone, so that no engine has to sort whole rows. first_batch_number is the batch that gave the
    key first.

    scope: columns of the key by which rows come together, if there are such. Where one batch gave all rows of a scope,
        none of them has another version, and none is looked for. A row without its whole key is none. -#}
{% macro current_version(versions, key, scope=[]) -%}
    (
        {%- if scope %}
        select
            versions.*,
            versions.batch_number as first_batch_number
        from {{ versions }} as versions
        inner join ({{ scopes_by_batches(versions, scope, '=') }}) as scopes
            on {{ same_key('versions', 'scopes', scope) }}
        where
            {%- for column in key %}
            versions.{{ column }} is not null{{ '\n            and ' if not loop.last }}
            {%- endfor %}
        union all
        {%- endif %}
        select
            versions.*,
            latest.first_batch_number
        from {{ versions }} as versions
        inner join (
            select
                {%- for column in key %}
                versions.{{ column }},
                {%- endfor %}
                max(versions.batch_number) as batch_number,
                min(versions.batch_number) as first_batch_number
            from {{ versions }} as versions
            {%- if scope %}
            inner join ({{ scopes_by_batches(versions, scope, '<') }}) as scopes
                on {{ same_key('versions', 'scopes', scope) }}
            {%- endif %}
            group by {% for column in key %}versions.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
        ) as latest
            on
                {{ same_key('versions', 'latest', key) }}
                and versions.batch_number = latest.batch_number
    )
{%- endmacro %}

{#- The scopes whose rows came in one batch, with '='; in several, with '<'. -#}
{% macro scopes_by_batches(versions, scope, comparison) -%}
    select {{ scope | join(', ') }}
    from {{ versions }}
    group by {{ scope | join(', ') }}
    having min(batch_number) {{ comparison }} max(batch_number)
{%- endmacro %}

{#- The last value that any version of a row gave a field; a version that leaves it empty says nothing of it. -#}
{% macro last_given(field, key) -%}
    max(case when {{ field }} is not null then batch_number end) over (partition by {{ key | join(', ') }})
{%- endmacro %}

{#- The versions of the rows that were given more than once; of all others there is nothing to compare. -#}
{% macro repeated_versions(versions, key) -%}
    select versions.*
    from {{ versions }} as versions
    inner join (
        select {{ key | join(', ') }}
        from {{ versions }}
        group by {{ key | join(', ') }}
        having count(*) > 1
    ) as repeated
        on {{ same_key('versions', 'repeated', key) }}
{%- endmacro %}

{#- What later versions of a row changed: one row per changed field. Numbers and text are kept apart. -#}
{% macro corrections(kind, versions, key, index_key, numbers, texts) -%}
    {%- for field in numbers + texts %}
    select
        '{{ kind }}' as kind,
        {{ row_key(key) }} as row_key,
        '{{ field }}' as field_name,
        {%- for column in ['index_code', 'edition', 'city_code', 'indicator_code'] %}
        {{ column if column in index_key else 'cast(null as string)' }} as {{ column }},
        {%- endfor %}
        {%- if field in numbers %}
        cast(lag({{ field }}) over (partition by {{ key | join(', ') }} order by batch_number) as double) as old_value,
        cast({{ field }} as double) as new_value,
        cast(null as string) as old_text,
        cast(null as string) as new_text,
        {%- else %}
        cast(null as double) as old_value,
        cast(null as double) as new_value,
        lag(cast({{ field }} as string)) over (partition by {{ key | join(', ') }} order by batch_number) as old_text,
        cast({{ field }} as string) as new_text,
        {%- endif %}
        lag(batch_id) over (partition by {{ key | join(', ') }} order by batch_number) as old_batch_id,
        batch_id as new_batch_id,
        lag(file_name) over (partition by {{ key | join(', ') }} order by batch_number) as old_file_name,
        file_name as new_file_name,
        received_at_utc as corrected_at_utc
    from {{ versions }}
    {{- "\n    union all" if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The key of a row as one text, as it is written in the quarantine: its columns joined by slashes, a slash within one
    written %2F. -#}
{% macro row_key(key) -%}
    {%- for column in key -%}
        replace(replace(coalesce(cast({{ column }} as string), ''), '%', '%25'), '/', '%2F')
        {{- " || '/' || " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
