with

indicators as (

    select * from {{ ref('int_indicators') }}

),

-- A leaf is described as it was observed, before estimates and treatment; a node above as it was scored.
measured as (

    select
        index_code,
        edition,
        indicator_code,
        value,
        value as compared_value
    from {{ ref('int_city_indicator_values') }}
    where scenario = 'published'
    union all
    select
        scores.index_code,
        scores.edition,
        scores.indicator_code,
        scores.score as value,
        {{ comparable('scores.score') }} as compared_value
    from {{ ref('fct_indicator_scores') }} as scores
    inner join indicators
        on
            scores.index_code = indicators.index_code
            and scores.edition = indicators.edition
            and scores.indicator_code = indicators.indicator_code
    where not indicators.is_leaf

),

counted as (

    select
        index_code,
        edition,
        indicator_code,
        count(*) as cell_count,
        count(value) as city_count,
        min(value) as min_value,
        max(value) as max_value,
        count(case when compared_value = 0 then 1 end) as zero_count,
        count(distinct compared_value) as distinct_count,
        max(compared_value) > min(compared_value) as has_spread
    from measured
    group by index_code, edition, indicator_code

),

-- Values may be too large to be squared; their places between the least and the greatest one are not.
placed as (

    select
        measured.index_code,
        measured.edition,
        measured.indicator_code,
        case
            when counted.has_spread
                then (measured.value - counted.min_value) / (counted.max_value - counted.min_value)
        end as place
    from measured
    inner join counted
        on
            measured.index_code = counted.index_code
            and measured.edition = counted.edition
            and measured.indicator_code = counted.indicator_code

),

means as (

    select
        index_code,
        edition,
        indicator_code,
        {{ stable_mean('place') }} as mean_place
    from placed
    group by index_code, edition, indicator_code

),

shapes as (

    select
        placed.index_code,
        placed.edition,
        placed.indicator_code,
        max(means.mean_place) as mean_place,
        sqrt({{ power_sum('placed.place', 'means.mean_place', 2) }} / nullif(count(placed.place) - 1, 0)) as sd_place,
        {{ skewness_of_places('placed.place', 'means.mean_place') | indent(8) }} as skewness,
        {{ kurtosis_of_places('placed.place', 'means.mean_place') | indent(8) }} as kurtosis
    from placed
    inner join means
        on
            placed.index_code = means.index_code
            and placed.edition = means.edition
            and placed.indicator_code = means.indicator_code
    group by placed.index_code, placed.edition, placed.indicator_code

),

-- The grid comes first: every node has a row, also where its edition has no city.
described as (

    select
        indicators.index_code,
        indicators.edition,
        indicators.indicator_code,
        indicators.level,
        case when indicators.is_leaf then 'value' else 'score' end as measure,
        cast(coalesce(counted.city_count, 0) as int) as city_count,
        cast(coalesce(counted.cell_count - counted.city_count, 0) as int) as missing_count,
        counted.min_value,
        counted.max_value,
        case
            when counted.has_spread
                then
                    least(
                        counted.min_value + (counted.max_value - counted.min_value) * shapes.mean_place,
                        counted.max_value
                    )
            else counted.min_value
        end as mean_value,
        case
            when counted.has_spread
                then {{ finite('(counted.max_value - counted.min_value) * shapes.sd_place') }}
            when counted.city_count > 1 then cast(0 as double)
        end as sd_value,
        shapes.skewness,
        shapes.kurtosis,
        cast(coalesce(counted.zero_count, 0) as int) as zero_count,
        counted.distinct_count / cast(nullif(counted.city_count, 0) as double) as unique_share,
        coalesce(not counted.has_spread, false) as is_constant,
        coalesce(counted.city_count, 0) = 0 as is_all_missing,
        coalesce({{ has_outliers('shapes.skewness', 'shapes.kurtosis') }}, false) as has_outliers,
        coalesce(
            {{ comparable('(counted.cell_count - counted.city_count) / cast(counted.cell_count as double)') }}
            > {{ var('sparse_missing_share') }},
            false
        ) as is_sparse
    from indicators
    left join counted
        on
            indicators.index_code = counted.index_code
            and indicators.edition = counted.edition
            and indicators.indicator_code = counted.indicator_code
    left join shapes
        on
            indicators.index_code = shapes.index_code
            and indicators.edition = shapes.edition
            and indicators.indicator_code = shapes.indicator_code

),

final as (

    select
        index_code,
        edition,
        indicator_code,
        level,
        measure,
        city_count,
        missing_count,
        min_value,
        max_value,
        mean_value,
        sd_value,
        skewness,
        kurtosis,
        zero_count,
        unique_share,
        is_constant,
        is_all_missing,
        has_outliers,
        is_sparse,
        {{ names_of_flags(['is_all_missing', 'is_constant', 'has_outliers', 'is_sparse']) | indent(8) }} as flags
    from described

)

select * from final
