with

published_figures as (

    select * from {{ ref('int_published_figures') }}

),

computed_measures as (

    select * from {{ ref('int_computed_measures') }}

),

editions as (

    select * from {{ ref('dim_editions') }}

),

compared as (

    select
        published_figures.*,
        computed_measures.value as computed_value,
        editions.reconstructed_share,
        (
            published_figures.lowest_value is null
            or {{ comparable('computed_measures.value') }} > {{ comparable('published_figures.lowest_value') }}
            or (
                not published_figures.is_lowest_excluded
                and {{ comparable('computed_measures.value') }} = {{ comparable('published_figures.lowest_value') }}
            )
        ) and (
            published_figures.highest_value is null
            or {{ comparable('computed_measures.value') }} < {{ comparable('published_figures.highest_value') }}
            or (
                not published_figures.is_highest_excluded
                and {{ comparable('computed_measures.value') }} = {{ comparable('published_figures.highest_value') }}
            )
        ) as is_within_range
    from published_figures
    left join computed_measures
        on
            published_figures.index_code = computed_measures.index_code
            and published_figures.edition = computed_measures.edition
            and published_figures.scope = computed_measures.scope
            and published_figures.measure_code = computed_measures.measure_code
            and published_figures.indicator_code = computed_measures.indicator_code
    left join editions
        on
            published_figures.index_code = editions.index_code
            and published_figures.edition = editions.edition

),

-- A figure is by construction where it is an input, or where the reconstruction was solved to give it, for as long as
-- any reconstructed observation is left; once real ones have taken the place of all, agreement is a reproduction.
final as (

    select
        fact_id,
        index_code,
        edition,
        source_document,
        scope,
        indicator,
        operator,
        published_value,
        computed_value,
        computed_value - published_value as difference,
        tolerance,
        case
            when treatment = 'not_computable' or computed_value is null then 'not_computable'
            when not is_within_range then 'not_reproduced'
            when treatment = 'input' then 'by_construction'
            when treatment = 'solver' and reconstructed_share > 0 then 'by_construction'
            else 'reproduced'
        end as status,
        treatment,
        confidence,
        note
    from compared

)

select * from final
