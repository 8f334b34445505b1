{{ config(post_hook="{{ make_code_types(this) }}") }}

with

nodes as (

    select distinct
        index_code,
        edition,
        indicator_code
    from {{ ref('stg_frameworks') }}
    union
    -- An indicator may have left its framework while values of it remain.
    select distinct
        index_code,
        edition,
        indicator_code
    from {{ ref('stg_observation_versions') }}

),

final as (

    {%- for code in ['index_code', 'edition', 'indicator_code'] %}
    select distinct
        '{{ code }}' as column_name,
        {{ code }} as code
    from nodes
    union all
    {%- endfor %}
    {%- for scenario in var('scenarios') %}
    select
        'scenario' as column_name,
        '{{ scenario }}' as code
    {{- "\n    union all" if not loop.last }}
    {%- endfor %}

)

select * from final
