with

frameworks as (

    select distinct
        index_code,
        edition
    from {{ ref('stg_frameworks') }}

),

editions as (

    select * from {{ ref('stg_editions') }}

),

numbered as (

    select
        frameworks.index_code,
        frameworks.edition,
        {{ whole_number('frameworks.edition') }} as edition_number,
        editions.as_of_date,
        coalesce(editions.is_synthetic, false) as is_synthetic
    from frameworks
    left join editions
        on
            frameworks.index_code = editions.index_code
            and frameworks.edition = editions.edition

),

-- An edition that says nothing else is as of the end of the year that it is named after.
final as (

    select
        index_code,
        edition,
        edition_number,
        coalesce(as_of_date, {{ year_end('edition_number') }}) as as_of_date,
        is_synthetic
    from numbered

)

select * from final
