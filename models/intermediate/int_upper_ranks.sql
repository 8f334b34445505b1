with

scores as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        score
    from {{ ref('int_total_scores') }}
    where scenario = 'published'
    union all
    select
        index_code,
        edition,
        city_code,
        indicator_code,
        score
    from {{ ref('int_primary_scores') }}
    where scenario = 'published'

),

final as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        {{ descending_rank('score', ['index_code', 'edition', 'indicator_code']) }} as rank
    from scores

)

select * from final
