{#- What the weights of each set are proportional to among siblings. -#}
{% set bases = {
    'equal': 'cast(1 as double)',
    'entropy': 'measures.entropy_divergence',
    'critic': critic_information('measures.sd_place', 'conflicts.conflict'),
    'principal_component': 'components.principal_component_weight',
    'correlation_optimised': 'components.correlation_optimised_weight'
} -%}
with

indicators as (

    select * from {{ ref('int_indicators') }}

),

measures as (

    select * from {{ ref('int_sibling_measures') }}

),

components as (

    select * from {{ ref('int_sibling_components') }}

),

-- Known only where every sibling has a correlation with every other.
conflicts as (

    select
        index_code,
        edition,
        indicator_code,
        count(correlation) as sibling_count,
        {{ stable_sum('1 - correlation') }} as conflict
    from {{ ref('int_sibling_correlations') }}
    group by index_code, edition, indicator_code

),

based as (

    select
        indicators.index_code,
        indicators.edition,
        indicators.indicator_code,
        indicators.parent_code,
        indicators.level,
        indicators.weight as framework_weight,
        indicators.weight_status,
        coalesce(measures.child_count, 1) as child_count,
        {%- for weight_set, basis in bases.items() %}
        {{ basis | indent(8) }} as {{ weight_set }}_basis{{ ',' if not loop.last }}
        {%- endfor %}
    from indicators
    left join measures
        on
            indicators.index_code = measures.index_code
            and indicators.edition = measures.edition
            and indicators.indicator_code = measures.indicator_code
    left join components
        on
            indicators.index_code = components.index_code
            and indicators.edition = components.edition
            and indicators.indicator_code = components.indicator_code
    left join conflicts
        on
            indicators.index_code = conflicts.index_code
            and indicators.edition = conflicts.edition
            and indicators.indicator_code = conflicts.indicator_code
            and measures.child_count - 1 = conflicts.sibling_count

),

sets as (

    {% for weight_set in bases -%}
    select
        '{{ weight_set }}' as weight_set,
        index_code,
        edition,
        indicator_code,
        parent_code,
        level,
        framework_weight,
        weight_status,
        child_count,
        {{ weight_set }}_basis as basis
    from based
    {%- if not loop.last %}
    union all
    {% endif -%}
    {%- endfor %}

),

judged as (

    select
        *,
        max(basis) over (partition by weight_set, index_code, edition, parent_code) as greatest_basis,
        case
            when child_count = 1 then 'single_child'
            when
                count(basis) over (partition by weight_set, index_code, edition, parent_code) = child_count
                and max(basis) over (partition by weight_set, index_code, edition, parent_code) > 0
                then 'computed'
            else 'not_computable'
        end as status
    from sets

),

-- Bases of any size are brought near one before they are summed, so that no digit is lost in the sum.
scaled as (

    select
        *,
        case when status = 'computed' then basis / greatest_basis end as scaled_basis
    from judged

),

shared as (

    select
        *,
        case status
            when 'computed'
                then
                    scaled_basis
                    / {{ stable_sum('scaled_basis', ['weight_set', 'index_code', 'edition', 'parent_code']) }}
            when 'single_child' then cast(1 as double)
            else framework_weight
        end as weight
    from scaled

),

all_sets as (

    select
        index_code,
        edition,
        'printed' as weight_set,
        indicator_code,
        parent_code,
        level,
        weight,
        weight_status,
        'framework' as status
    from indicators
    union all
    select
        index_code,
        edition,
        weight_set,
        indicator_code,
        parent_code,
        level,
        weight,
        case when status = 'not_computable' then weight_status else 'computed' end as weight_status,
        status
    from shared

),

final as (

    select
        nodes.index_code,
        nodes.edition,
        nodes.weight_set,
        nodes.indicator_code,
        nodes.parent_code,
        nodes.level,
        nodes.weight,
        nodes.weight
        * coalesce(parents.weight, 1)
        * coalesce(grandparents.weight, 1)
        * coalesce(great_grandparents.weight, 1) as effective_weight,
        nodes.weight_status,
        nodes.status
    from all_sets as nodes
    {%- for ancestors, below in [
        ('parents', 'nodes'), ('grandparents', 'parents'), ('great_grandparents', 'grandparents')
    ] %}
    left join all_sets as {{ ancestors }}
        on
            {{ below }}.index_code = {{ ancestors }}.index_code
            and {{ below }}.edition = {{ ancestors }}.edition
            and {{ below }}.weight_set = {{ ancestors }}.weight_set
            and {{ below }}.parent_code = {{ ancestors }}.indicator_code
    {%- endfor %}

)

select * from final
