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

-- Values of any unit are brought to one size before they are summed.
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
                magnitude * {{ stable_mean('value / magnitude') }}
        end as estimate,
        estimator = 'mean' and least_value < greatest_value as is_calculated,
        least_value,
        greatest_value
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

-- A calculated mean is stated to 15 digits, so that one which comes to a value that a city has ties with it.
stated as (

    select
        *,
        case
            when is_calculated
                then least(greatest({{ significant('estimate') | indent(16) }}, least_value), greatest_value)
            else estimate
        end as stated_estimate
    from estimates

),

final as (

    select
        group_values.scenario,
        group_values.index_code,
        group_values.edition,
        group_values.city_code,
        group_values.indicator_code,
        stated.stated_estimate as estimate
    from group_values
    inner join stated
        on
            group_values.scenario = stated.scenario
            and group_values.index_code = stated.index_code
            and group_values.edition = stated.edition
            and group_values.indicator_code = stated.indicator_code
            and group_values.group_code = stated.group_code
    where group_values.value is null

)

select * from final
