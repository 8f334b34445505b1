{%- set leaf = ['scenario', 'index_code', 'edition', 'indicator_code'] -%}
{%- set state = leaf + ['high_count', 'low_count', 'treatment_limit', 'low_bound', 'high_bound'] -%}

with recursive

indicators as (

    select * from {{ ref('int_scenario_indicators') }}

),

sorted as (

    select
        imputed_values.scenario,
        imputed_values.index_code,
        imputed_values.edition,
        imputed_values.indicator_code,
        imputed_values.value,
        indicators.treatment_limit,
        row_number() over (
            partition by
                imputed_values.scenario,
                imputed_values.index_code,
                imputed_values.edition,
                imputed_values.indicator_code
            order by imputed_values.value
        ) - 1 as lower_count,
        row_number() over (
            partition by
                imputed_values.scenario,
                imputed_values.index_code,
                imputed_values.edition,
                imputed_values.indicator_code
            order by imputed_values.value desc
        ) - 1 as higher_count
    from {{ ref('int_imputed_values') }} as imputed_values
    inner join indicators
        on
            imputed_values.scenario = indicators.scenario
            and imputed_values.index_code = indicators.index_code
            and imputed_values.edition = indicators.edition
            and imputed_values.indicator_code = indicators.indicator_code
    where
        indicators.treatment = 'winsorise'
        and imputed_values.value is not null

),

-- Every way to move some of the highest and some of the lowest points, up to the limit in all, to the next value that
-- stays. One that would leave no spread is none.
states as (

    select
        highs.scenario,
        highs.index_code,
        highs.edition,
        highs.indicator_code,
        highs.treatment_limit,
        highs.higher_count as high_count,
        lows.lower_count as low_count,
        lows.value as low_bound,
        highs.value as high_bound
    from sorted as highs
    inner join sorted as lows
        on
            highs.scenario = lows.scenario
            and highs.index_code = lows.index_code
            and highs.edition = lows.edition
            and highs.indicator_code = lows.indicator_code
            and highs.higher_count + lows.lower_count <= highs.treatment_limit
            and lows.value < highs.value
    where
        highs.higher_count <= highs.treatment_limit
        and lows.lower_count <= lows.treatment_limit

),

placed as (

    select
        states.*,
        (least(greatest(sorted.value, states.low_bound), states.high_bound) - states.low_bound)
        / (states.high_bound - states.low_bound) as place
    from states
    inner join sorted
        on
            states.scenario = sorted.scenario
            and states.index_code = sorted.index_code
            and states.edition = sorted.edition
            and states.indicator_code = sorted.indicator_code

),

centred as (

    select
        *,
        {{ stable_mean('place', state) }} as mean_place
    from placed

),

shapes as (

    select
        {{ state | join(', ') }},
        {{ skewness_of_places('place', 'mean_place') | indent(8) }} as skewness,
        {{ kurtosis_of_places('place', 'mean_place') | indent(8) }} as kurtosis
    from centred
    group by {{ state | join(', ') }}, mean_place

),

-- Step by step, one more point at the end that the distribution leans to, for as long as it has outliers.
steps as (

    select * from shapes
    where high_count = 0 and low_count = 0
    union all
    select shapes.*
    from steps
    inner join shapes
        on
            steps.scenario = shapes.scenario
            and steps.index_code = shapes.index_code
            and steps.edition = shapes.edition
            and steps.indicator_code = shapes.indicator_code
            and steps.high_count + case when steps.skewness > 0 then 1 else 0 end = shapes.high_count
            and steps.low_count + case when steps.skewness > 0 then 0 else 1 end = shapes.low_count
    where {{ has_outliers('steps.skewness', 'steps.kurtosis') }}

),

last_steps as (

    select
        {{ leaf | join(', ') }},
        max(high_count + low_count) as point_count
    from steps
    group by {{ leaf | join(', ') }}

),

final as (

    select
        steps.scenario,
        steps.index_code,
        steps.edition,
        steps.indicator_code,
        steps.high_count,
        steps.low_count,
        steps.low_bound,
        steps.high_bound,
        steps.skewness,
        steps.kurtosis
    from steps
    inner join last_steps
        on
            steps.scenario = last_steps.scenario
            and steps.index_code = last_steps.index_code
            and steps.edition = last_steps.edition
            and steps.indicator_code = last_steps.indicator_code
            and steps.high_count + steps.low_count = last_steps.point_count

)

select * from final
