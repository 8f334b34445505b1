with

totals as (

    select
        index_code,
        edition,
        city_code,
        score
    from {{ ref('int_total_scores') }}
    where scenario = 'published'

),

final as (

    {{ tiers_of_totals('totals', ['index_code', 'edition', 'city_code']) | indent(4) }}

)

select * from final
