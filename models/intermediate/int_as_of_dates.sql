with

edition_dates as (

    select * from {{ ref('int_edition_dates') }}

),

hospital_grades as (

    select * from {{ ref('stg_hospital_grades') }}

),

-- The days of the editions; and of real records the end of every year in which a hospital was assessed.
final as (

    select
        as_of_date,
        is_synthetic
    from edition_dates
    where as_of_date is not null
    union
    select
        {{ year_end('extract(year from assessed_on)') }} as as_of_date,
        is_synthetic
    from hospital_grades
    where not is_synthetic

)

select * from final
