-- Directions, normalisations, denominators, imputations and treatments are choices of leaves, and aggregations and
-- missing policies those of groups; elsewhere they would be passed over without a word.

{{ config(meta={'dagster': {'ref': {'name': 'stg_frameworks'}}}) }}

with

framework_versions as (

    select * from {{ ref('stg_framework_versions') }}

),

frameworks as (

    select * from {{ ref('stg_frameworks') }}

),

final as (

    select
        framework_versions.batch_id,
        framework_versions.index_code,
        framework_versions.edition,
        framework_versions.indicator_code,
        frameworks.is_leaf
    from framework_versions
    inner join frameworks
        on
            framework_versions.index_code = frameworks.index_code
            and framework_versions.edition = frameworks.edition
            and framework_versions.indicator_code = frameworks.indicator_code
    where
        (
            not frameworks.is_leaf
            and (
                framework_versions.direction is not null
                {%- for choice in ['normalisation', 'denominator', 'imputation', 'treatment'] %}
                or nullif(trim(framework_versions.{{ choice }}), '') is not null
                {%- endfor %}
            )
        )
        or (
            frameworks.is_leaf
            and (
                framework_versions.min_coverage is not null
                {%- for choice in ['aggregation', 'missing_policy'] %}
                or nullif(trim(framework_versions.{{ choice }}), '') is not null
                {%- endfor %}
            )
        )

)

select * from final
