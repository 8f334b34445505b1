with

normalisation_alternatives as (

    select * from {{ ref('normalisation_alternatives') }}

),

final as (

    select
        normalisation,
        alternative
    from normalisation_alternatives

)

select * from final
