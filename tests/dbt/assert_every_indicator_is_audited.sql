-- Every node has its statistics and a weight in each set, every parent its consistency, every child its importance and
-- its correlations with parent and total.

{{ config(meta={'dagster': {'ref': {'name': 'fct_indicator_stats'}}}) }}

{% set weight_sets = ['printed', 'equal', 'entropy', 'critic', 'principal_component', 'correlation_optimised'] -%}

with

indicators as (

    select * from {{ ref('dim_indicators') }}

),

parents as (

    select distinct
        index_code,
        edition,
        parent_code as indicator_code
    from indicators
    where parent_code is not null

),

expected as (

    select
        index_code,
        edition,
        indicator_code,
        'stats' as audited
    from indicators
    {%- for weight_set in weight_sets %}
    union all
    select
        index_code,
        edition,
        indicator_code,
        '{{ weight_set }}' as audited
    from indicators
    {%- endfor %}
    {%- for audited in ['importance', 'with_parent', 'with_total'] %}
    union all
    select
        index_code,
        edition,
        indicator_code,
        '{{ audited }}' as audited
    from indicators
    where parent_code is not null
    {%- endfor %}
    union all
    select
        index_code,
        edition,
        indicator_code,
        'groups' as audited
    from parents

),

found as (

    select
        index_code,
        edition,
        indicator_code,
        'stats' as audited
    from {{ ref('fct_indicator_stats') }}
    union all
    select
        index_code,
        edition,
        indicator_code,
        weight_set as audited
    from {{ ref('fct_weight_sets') }}
    union all
    select
        index_code,
        edition,
        indicator_code,
        'importance' as audited
    from {{ ref('fct_indicator_importance') }}
    union all
    select
        index_code,
        edition,
        indicator_code,
        relation as audited
    from {{ ref('fct_correlations') }}
    where relation in ('with_parent', 'with_total')
    union all
    select
        index_code,
        edition,
        indicator_code,
        'groups' as audited
    from {{ ref('fct_indicator_groups') }}

),

final as (

    select
        expected.index_code,
        expected.edition,
        expected.indicator_code,
        expected.audited
    from expected
    left join found
        on
            expected.index_code = found.index_code
            and expected.edition = found.edition
            and expected.indicator_code = found.indicator_code
            and expected.audited = found.audited
    where found.audited is null

)

select * from final
