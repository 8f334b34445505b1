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

observations as (

    select * from {{ ref('stg_observations') }}

),

-- An edition is there where its framework is; what the root is called is its title where no other is given.
framework_editions as (

    select
        index_code,
        edition,
        max(case when parent_code is null then name_zh end) as root_name_zh,
        max(case when parent_code is null then name_en end) as root_name_en
    from frameworks
    group by index_code, edition

),

described as (

    select
        framework_editions.index_code,
        framework_editions.edition,
        coalesce(editions.title_zh, framework_editions.root_name_zh) as title_zh,
        coalesce(editions.title_en, framework_editions.root_name_en) as title_en,
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

edition_cities as (

    select distinct
        index_code,
        edition,
        city_code
    from observations
    where value is not null

),

-- An edition that names no year takes, from before its own year, the one that covers most of its cities, and of equals
-- the newest: so figures that arrive later do not move it, and a year that is known for few cities is not taken. An
-- edition that is no year looks at all years.
covered_years as (

    select
        described.index_code,
        described.edition,
        statistics.year,
        row_number() over (
            partition by described.index_code, described.edition
            order by count(*) desc, statistics.year desc
        ) as preference
    from described
    inner join edition_cities
        on
            described.index_code = edition_cities.index_code
            and described.edition = edition_cities.edition
    inner join statistics
        on
            edition_cities.city_code = statistics.city_code
            and described.weighting_statistic_code = statistics.statistic_code
            and (described.edition_year is null or statistics.year < described.edition_year)
    group by described.index_code, described.edition, statistics.year

),

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
        coalesce(described.weighting_year, covered_years.year) as weighting_year,
        described.note
    from described
    left join covered_years
        on
            described.index_code = covered_years.index_code
            and described.edition = covered_years.edition
            and covered_years.preference = 1

)

select * from final
