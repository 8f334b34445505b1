with

derived as (

    select * from {{ ref('int_derived_observations') }}

),

observations as (

    select * from {{ ref('int_observations') }}

),

final as (

    select
        derived.index_code,
        derived.edition,
        derived.city_code,
        derived.indicator_code,
        derived.rule_code,
        derived.feed,
        derived.formula,
        derived.value,
        derived.as_of_date,
        derived.weighting,
        derived.record_count,
        derived.scope_count,
        derived.without_beds_count,
        derived.coverage_share,
        derived.is_low_coverage,
        derived.newest_on,
        derived.is_synthetic,
        coalesce(observations.rule_code = derived.rule_code, false) as is_used,
        observations.provenance as used_provenance
    from derived
    left join observations
        on
            derived.index_code = observations.index_code
            and derived.edition = observations.edition
            and derived.city_code = observations.city_code
            and derived.indicator_code = observations.indicator_code

)

select * from final
