{%- set leaf = ['scenario', 'index_code', 'edition', 'indicator_code'] -%}
{%- set state = leaf + ['treatment_limit', 'high_count', 'low_count', 'low_bound', 'high_bound'] -%}

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
        indicators.treatment_limit,
        imputed_values.value,
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

untreated_states as (

    select
        {{ leaf | join(', ') }},
        treatment_limit,
        0 as high_count,
        0 as low_count,
        min(value) as low_bound,
        max(value) as high_bound
    from sorted
    group by {{ leaf | join(', ') }}, treatment_limit
    having min(value) < max(value)

),

untreated_shapes as (

    {{ shapes_of_states('untreated_states', 'sorted', state) | indent(4) }}

),

outlying as (

    select sorted.*
    from sorted
    inner join untreated_shapes
        on
            sorted.scenario = untreated_shapes.scenario
            and sorted.index_code = untreated_shapes.index_code
            and sorted.edition = untreated_shapes.edition
            and sorted.indicator_code = untreated_shapes.indicator_code
    where {{ has_outliers('untreated_shapes.skewness', 'untreated_shapes.kurtosis') }}

),

-- Every way to move some of the highest and some of the lowest points, up to the limit in all. One that would leave no
-- spread is none.
moved_states as (

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
    from outlying as highs
    inner join outlying as lows
        on
            highs.scenario = lows.scenario
            and highs.index_code = lows.index_code
            and highs.edition = lows.edition
            and highs.indicator_code = lows.indicator_code
            and highs.higher_count + lows.lower_count between 1 and highs.treatment_limit
            and lows.value < highs.value
    where
        highs.higher_count <= highs.treatment_limit
        and lows.lower_count <= lows.treatment_limit

),

-- Nearly always all moved points stand at one end, so these states are measured first.
one_sided_states as (

    select * from moved_states
    where high_count = 0 or low_count = 0

),

one_sided_shapes as (

    select * from untreated_shapes
    union all
    {{ shapes_of_states('one_sided_states', 'outlying', state) | indent(4) }}

),

first_steps as (

    {{ steps_through('one_sided_shapes', 'first_steps') | indent(4) }}

),

-- Leaves whose distribution comes to lean to the other end while it still has outliers.
turned as (

    select distinct {{ leaf | join(', ') }}
    from first_steps
    where
        {{ has_outliers('skewness', 'kurtosis') }}
        and case when skewness > 0 then low_count else high_count end > 0

),

two_sided_states as (

    select moved_states.*
    from moved_states
    inner join turned
        on
            moved_states.scenario = turned.scenario
            and moved_states.index_code = turned.index_code
            and moved_states.edition = turned.edition
            and moved_states.indicator_code = turned.indicator_code
    where
        moved_states.high_count > 0
        and moved_states.low_count > 0

),

shapes as (

    select * from one_sided_shapes
    union all
    {{ shapes_of_states('two_sided_states', 'outlying', state) | indent(4) }}

),

steps as (

    {{ steps_through('shapes', 'steps') | indent(4) }}

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
