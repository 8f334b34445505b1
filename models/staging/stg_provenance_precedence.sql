with

provenance_precedence as (

    select * from {{ ref('provenance_precedence') }}

),

final as (

    select
        provenance,
        precedence,
        note
    from provenance_precedence

)

select * from final
