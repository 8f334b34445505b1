{{ config(post_hook="{{ make_code_types(this) }}") }}

with

nodes as (

    select
        index_code,
        edition,
        indicator_code
    from {{ ref('stg_frameworks') }}
    union
    -- A parent that is no node is a fault, which has to be there to be found.
    select
        index_code,
        edition,
        parent_code as indicator_code
    from {{ ref('stg_frameworks') }}
    union
    -- An indicator may have left its framework while values of it remain.
    select
        index_code,
        edition,
        indicator_code
    from {{ ref('stg_observation_versions') }}

),

codes as (

    {%- for code in ['index_code', 'edition', 'indicator_code'] %}
    select distinct
        '{{ code }}' as column_name,
        {{ code }} as code
    from nodes
    union all
    {%- endfor %}
    -- int_scenario_indicators has these.
    {%- for scenario in ['published', 'newest_method'] %}
    select
        'scenario' as column_name,
        '{{ scenario }}' as code
    {{- "\n    union all" if not loop.last }}
    {%- endfor %}

),

final as (

    select * from codes
    where code is not null

)

select * from final
