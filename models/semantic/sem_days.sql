with

editions as (

    select * from {{ ref('dim_editions') }}

),

bounds as (

    select
        min(as_of_date) as first_day,
        max(as_of_date) as last_day
    from editions

),

final as (

    select {{ days_from('first_day', 'last_day') }} as day
    from bounds

)

select * from final
