with

frameworks as (

    select * from {{ ref('stg_frameworks') }}

),

editions as (

    select * from {{ ref('stg_editions') }}

),

statistics as (

    select * from {{ ref('stg_statistics') }}

),

framework_editions as (

    select distinct
        index_code,
        edition
    from frameworks

),

described as (

    select
        framework_editions.index_code,
        framework_editions.edition,
        editions.title_zh,
        editions.title_en,
        editions.publisher_zh,
        editions.publisher_en,
        editions.source_document,
        coalesce(editions.weighting_statistic_code, '{{ var("default_weighting_statistic") }}')
            as weighting_statistic_code,
        editions.weighting_year,
        try_cast(framework_editions.edition as int) as edition_year,
        editions.note
    from framework_editions
    left join editions
        on
            framework_editions.index_code = editions.index_code
            and framework_editions.edition = editions.edition

),

statistic_years as (

    select distinct
        statistic_code,
        year
    from statistics

),

-- An edition that names no year takes the newest statistic from before its own year, so that figures which arrive
-- later do not move it; an edition that is no year takes the newest there is.
final as (

    select
        described.index_code,
        described.edition,
        described.title_zh,
        described.title_en,
        described.publisher_zh,
        described.publisher_en,
        described.source_document,
        described.weighting_statistic_code,
        coalesce(described.weighting_year, max(statistic_years.year)) as weighting_year,
        described.note
    from described
    left join statistic_years
        on
            described.weighting_statistic_code = statistic_years.statistic_code
            and (described.edition_year is null or statistic_years.year < described.edition_year)
    group by
        described.index_code,
        described.edition,
        described.title_zh,
        described.title_en,
        described.publisher_zh,
        described.publisher_en,
        described.source_document,
        described.weighting_statistic_code,
        described.weighting_year,
        described.note

)

select * from final
