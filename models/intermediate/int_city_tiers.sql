with

totals as (

    select
        index_code,
        edition,
        city_code,
        score
    from {{ ref('int_indicator_scores') }}
    where level = 0

),

final as (

    {{ tiers_of_totals('totals', ['index_code', 'edition', 'city_code']) | indent(4) }}

)

select * from final
