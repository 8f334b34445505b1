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

    select * from {{ ref('int_observations') }}

),

edition_dates as (

    select * from {{ ref('int_edition_dates') }}

),

-- An edition is there where its framework is; what the root is called is its title where no other is given.
framework_editions as (

    select
        index_code,
        edition,
        max(case when parent_code is null then name_zh end) as root_name_zh,
        max(case when parent_code is null then name_en end) as root_name_en,
        max(random_seed) as random_seed
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
        edition_dates.edition_number,
        edition_dates.as_of_date,
        edition_dates.is_synthetic,
        framework_editions.random_seed,
        editions.note
    from framework_editions
    inner join edition_dates
        on
            framework_editions.index_code = edition_dates.index_code
            and framework_editions.edition = edition_dates.edition
    left join editions
        on
            framework_editions.index_code = editions.index_code
            and framework_editions.edition = editions.edition

),

-- Editions of an index follow each other by their numbers, or by their labels where one of them is no number. Those of
-- synthetic records stand apart.
ordered as (

    select
        *,
        case
            when
                count(edition_number) over (partition by index_code, is_synthetic)
                = count(*) over (partition by index_code, is_synthetic)
                then cast(edition_number as double)
        end as edition_time
    from described

),

numbered as (

    select
        *,
        cast(
            row_number() over (partition by index_code, is_synthetic order by edition_time, edition) as int
        ) as edition_ordinal
    from ordered

),

edition_cities as (

    {{ cities_of_editions('observations') | indent(4) }}

),

-- An edition that names no year takes, from before its own year, the one that covers most of its cities, and of equals
-- the newest: so figures that arrive later do not move it, and a year that is known for few cities is not taken. An
-- edition that is no year looks at all years.
covered_years as (

    select
        numbered.index_code,
        numbered.edition,
        statistics.year,
        row_number() over (
            partition by numbered.index_code, numbered.edition
            order by count(*) desc, statistics.year desc
        ) as preference
    from numbered
    inner join edition_cities
        on
            numbered.index_code = edition_cities.index_code
            and numbered.edition = edition_cities.edition
    inner join statistics
        on
            edition_cities.city_code = statistics.city_code
            and numbered.weighting_statistic_code = statistics.statistic_code
            and (numbered.edition_number is null or statistics.year < numbered.edition_number)
    group by numbered.index_code, numbered.edition, statistics.year

),

final as (

    select
        numbered.index_code,
        numbered.edition,
        numbered.title_zh,
        numbered.title_en,
        numbered.publisher_zh,
        numbered.publisher_en,
        numbered.source_document,
        numbered.weighting_statistic_code,
        coalesce(numbered.weighting_year, covered_years.year) as weighting_year,
        numbered.edition_number,
        numbered.edition_ordinal,
        coalesce(numbered.edition_time, numbered.edition_ordinal) as edition_time,
        lag(numbered.edition) over (
            partition by numbered.index_code, numbered.is_synthetic order by numbered.edition_ordinal
        ) as previous_edition,
        lead(numbered.edition) over (
            partition by numbered.index_code, numbered.is_synthetic order by numbered.edition_ordinal
        ) is null as is_newest,
        numbered.as_of_date,
        numbered.is_synthetic,
        numbered.random_seed,
        numbered.note
    from numbered
    left join covered_years
        on
            numbered.index_code = covered_years.index_code
            and numbered.edition = covered_years.edition
            and covered_years.preference = 1

)

select * from final
