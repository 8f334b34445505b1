{#- What must be the same in both editions for a leaf's scores to be comparable: how a value becomes a score. -#}
{%- set leaf_choices = [
    'direction', 'normalisation', 'norm_low', 'norm_high', 'scale_low', 'scale_high',
    'denominator', 'imputation', 'treatment', 'treatment_limit'
] -%}

with

indicators as (

    select * from {{ ref('int_indicators') }}

),

editions as (

    select * from {{ ref('int_edition_settings') }}

),

-- The nodes that stand below the same parent in an edition and in the one before.
paired as (

    select
        current_nodes.index_code,
        current_nodes.edition,
        editions.previous_edition,
        current_nodes.indicator_code,
        current_nodes.parent_code,
        current_nodes.level,
        current_nodes.is_leaf,
        current_nodes.weight,
        previous_nodes.weight as previous_weight,
        previous_nodes.aggregation,
        previous_nodes.missing_policy,
        previous_nodes.min_coverage,
        {%- for choice in leaf_choices %}
        current_nodes.{{ choice }} is not distinct from previous_nodes.{{ choice }}
        {{- " as is_scored_alike," if loop.last else " and" }}
        {%- endfor %}
        current_nodes.is_leaf and previous_nodes.is_leaf as is_leaf_in_both
    from indicators as current_nodes
    inner join editions
        on
            current_nodes.index_code = editions.index_code
            and current_nodes.edition = editions.edition
    inner join indicators as previous_nodes
        on
            editions.index_code = previous_nodes.index_code
            and editions.previous_edition = previous_nodes.edition
            and current_nodes.indicator_code = previous_nodes.indicator_code
            and current_nodes.parent_code is not distinct from previous_nodes.parent_code

),

-- The leaves that are scored alike and reach the root by the same nodes; every tree has three levels below its root.
common_paths as (

    select
        leaves.index_code,
        leaves.edition,
        leaves.indicator_code as leaf_code,
        secondaries.indicator_code as secondary_code,
        primaries.indicator_code as primary_code,
        roots.indicator_code as root_code
    from paired as leaves
    {%- for above, below in [('secondaries', 'leaves'), ('primaries', 'secondaries'), ('roots', 'primaries')] %}
    inner join paired as {{ above }}
        on
            {{ below }}.index_code = {{ above }}.index_code
            and {{ below }}.edition = {{ above }}.edition
            and {{ below }}.parent_code = {{ above }}.indicator_code
    {%- endfor %}
    where
        leaves.is_leaf_in_both
        and leaves.is_scored_alike
        and roots.parent_code is null

),

common_nodes as (

    {%- for node in ['leaf_code', 'secondary_code', 'primary_code', 'root_code'] %}
    select
        index_code,
        edition,
        {{ node }} as indicator_code
    from common_paths
    {{- "\n    union" if not loop.last }}
    {%- endfor %}

),

common_tree as (

    select paired.*
    from paired
    inner join common_nodes
        on
            paired.index_code = common_nodes.index_code
            and paired.edition = common_nodes.edition
            and paired.indicator_code = common_nodes.indicator_code

),

-- From step to step one thing changes: first the data, then the weights. Weights are relative within a parent, so those
-- of the children that are left need no change.
final as (

    {%- for scenario, data_edition, weight in [
        ('previous_data', 'previous_edition', 'previous_weight'),
        ('new_data', 'edition', 'previous_weight'),
        ('new_weights', 'edition', 'weight')
    ] %}
    select
        '{{ scenario }}' as scenario,
        index_code,
        edition,
        {{ data_edition }} as data_edition,
        indicator_code,
        parent_code,
        level,
        is_leaf,
        {{ weight }} as weight,
        aggregation,
        missing_policy,
        min_coverage
    from common_tree
    {{- "\n    union all" if not loop.last }}
    {%- endfor %}

)

select * from final
