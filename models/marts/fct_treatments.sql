with

treated_values as (

    select * from {{ ref('int_treated_values') }}

),

final as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        treatment,
        untreated_value as old_value,
        value as new_value,
        is_imputed
    from treated_values
    where
        scenario = 'published'
        and untreated_value is distinct from value

)

select * from final
