with

observations as (

    select *
    from {{ current_version(
        ref('stg_observation_versions'),
        landing_keys().observations,
        scope=['index_code', 'edition']
    ) }} as current_versions

),

final as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        value,
        observed_on,
        nullif(trim(source), '') as source,
        provenance
    from observations

)

select * from final
