with

observations as (

    select * from {{ ref('observations') }}

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
        coalesce(nullif(trim(provenance), ''), 'observed') as provenance
    from observations

)

select * from final
