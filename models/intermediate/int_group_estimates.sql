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
        ) as greatest_value,
        max(abs(value)) over (
            partition by scenario, index_code, edition, indicator_code, group_code
        ) as largest_size
    from group_values

),

-- Brought to the size of 2 ** 40 every double is a decimal of 15 places, so the sum is exact: a mean that comes to a
-- value which a city has ties with it.
scaled as (

    select
        *,
        {{ magnitude_of('largest_size') }} / power(cast(2 as double), 40) as magnitude
    from bounded

),

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
                least(greatest(magnitude * {{ stable_mean('value / magnitude') }}, least_value), greatest_value)
        end as estimate
    from scaled
    where value is not null
    group by
        scenario,
        index_code,
        edition,
        indicator_code,
        group_code,
        estimator,
        least_value,
        greatest_value,
        magnitude

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
