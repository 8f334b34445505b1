with

group_values as (

    select * from {{ ref('int_imputation_groups') }}
    where group_code is not null

),

bounded as (

    select
        *,
        min(value) over (
            partition by scenario, index_code, edition, indicator_code, group_code
        ) as least_value,
        max(value) over (
            partition by scenario, index_code, edition, indicator_code, group_code
        ) as greatest_value
    from group_values

),

-- The mean is taken of places between the least and the greatest value, so that no unit is too large or too small for
-- it and equal values have exactly themselves as their mean.
estimates as (

    select
        scenario,
        index_code,
        edition,
        indicator_code,
        group_code,
        case
            when estimator = 'median' then median(value)
            when least_value = greatest_value then least_value
            else
                least_value
                + (greatest_value - least_value)
                * {{ stable_mean('(value - least_value) / nullif(greatest_value - least_value, 0)') }}
        end as estimate
    from bounded
    where value is not null
    group by scenario, index_code, edition, indicator_code, group_code, estimator, least_value, greatest_value

),

final as (

    select
        group_values.scenario,
        group_values.index_code,
        group_values.edition,
        group_values.city_code,
        group_values.indicator_code,
        estimates.estimate
    from group_values
    inner join estimates
        on
            group_values.scenario = estimates.scenario
            and group_values.index_code = estimates.index_code
            and group_values.edition = estimates.edition
            and group_values.indicator_code = estimates.indicator_code
            and group_values.group_code = estimates.group_code
    where group_values.value is null

)

select * from final
