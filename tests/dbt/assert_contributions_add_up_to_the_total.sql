-- The tertiaries of a city give its total, and so do the secondaries and the primaries: to nine decimals, or to nine
-- digits of the largest contribution where that exceeds 1.

{{ config(meta={'dagster': {'ref': {'name': 'fct_indicator_scores'}}}) }}

with

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

sums as (

    select
        index_code,
        edition,
        city_code,
        level,
        {{ stable_sum('coalesce(contribution, 0)') }} as contribution,
        coalesce(max(abs(contribution)), 0) as largest_contribution
    from indicator_scores
    group by index_code, edition, city_code, level

),

final as (

    select
        indicator_scores.index_code,
        indicator_scores.edition,
        indicator_scores.city_code,
        sums.level,
        indicator_scores.score as total_score,
        sums.contribution
    from indicator_scores
    inner join sums
        on
            indicator_scores.index_code = sums.index_code
            and indicator_scores.edition = sums.edition
            and indicator_scores.city_code = sums.city_code
    where
        indicator_scores.level = 0
        and indicator_scores.score is not null
        and not abs(indicator_scores.score - sums.contribution) <= 1e-9 * greatest(1, sums.largest_contribution)

)

select * from final
