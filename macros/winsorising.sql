{#- Parts of the search for the points that winsorising moves: int_winsorised_bounds. A state is a number of highest and
    a number of lowest points that are moved to the next value that stays. -#}

{#- Skewness and kurtosis of the values of a leaf within the bounds of each state. -#}
{% macro shapes_of_states(states, values, state) -%}
    select
        {{ state | join(', ') }},
        {{ skewness_of_places('place', 'mean_place') | indent(8) }} as skewness,
        {{ kurtosis_of_places('place', 'mean_place') | indent(8) }} as kurtosis
    from (
        select
            *,
            {{ stable_mean('place', state) }} as mean_place
        from (
            select
                states.*,
                (least(greatest(sorted.value, states.low_bound), states.high_bound) - states.low_bound)
                / (states.high_bound - states.low_bound) as place
            from {{ states }} as states
            inner join {{ values }} as sorted
                on
                    states.scenario = sorted.scenario
                    and states.index_code = sorted.index_code
                    and states.edition = sorted.edition
                    and states.indicator_code = sorted.indicator_code
        ) as placed
    ) as centred
    group by {{ state | join(', ') }}, mean_place
{%- endmacro %}

{#- The states that are passed, step by step: one more point at the end that the distribution leans to, for as long as
    it has outliers and there is such a state. The body of a recursive CTE of the given name. -#}
{% macro steps_through(shapes, steps) -%}
    select * from {{ shapes }}
    where high_count = 0 and low_count = 0
    union all
    select shapes.*
    from {{ steps }} as steps
    inner join {{ shapes }} as shapes
        on
            steps.scenario = shapes.scenario
            and steps.index_code = shapes.index_code
            and steps.edition = shapes.edition
            and steps.indicator_code = shapes.indicator_code
            and steps.high_count + case when steps.skewness > 0 then 1 else 0 end = shapes.high_count
            and steps.low_count + case when steps.skewness > 0 then 0 else 1 end = shapes.low_count
    where {{ has_outliers('steps.skewness', 'steps.kurtosis') }}
{%- endmacro %}
