{#- The tier of each total score: lower bound exclusive, upper bound inclusive. A missing total, and an index without
    tiers, have none. -#}
{% macro tiers_of_totals(totals, key) -%}
    select
        {%- for column in key %}
        totals.{{ column }},
        {%- endfor %}
        tiers.tier_code
    from {{ totals }} as totals
    inner join {{ ref('stg_tiers') }} as tiers
        on
            totals.index_code = tiers.index_code
            and (
                tiers.lower_bound_score is null
                or {{ comparable('totals.score') }} > tiers.lower_bound_score
            )
            and (
                tiers.upper_bound_score is null
                or {{ comparable('totals.score') }} <= tiers.upper_bound_score
            )
    where totals.score is not null
{%- endmacro %}
