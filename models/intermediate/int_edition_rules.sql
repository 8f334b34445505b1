with

rules as (

    select * from {{ ref('stg_derivation_rules') }}

),

editions as (

    select * from {{ ref('stg_editions') }}

),

edition_dates as (

    select * from {{ ref('int_edition_dates') }}

),

indicators as (

    select * from {{ ref('int_indicators') }}

),

-- Since when a rule holds: the day of the edition that it names, whether that edition is there or not.
dated as (

    select
        rules.*,
        coalesce(
            editions.as_of_date,
            {{ year_end(whole_number('rules.since_edition')) | indent(12) }}
        ) as since_date
    from rules
    left join editions
        on
            rules.index_code = editions.index_code
            and rules.since_edition = editions.edition

),

-- Of the rules of a tertiary an edition takes the latest that is not after it.
preferred as (

    select
        edition_dates.index_code,
        edition_dates.edition,
        edition_dates.as_of_date,
        edition_dates.is_synthetic,
        dated.indicator_code,
        dated.rule_code,
        dated.feed,
        dated.formula,
        dated.standard_code,
        dated.standard_version,
        dated.least_grade,
        dated.weighting,
        dated.least_coverage_share,
        row_number() over (
            partition by edition_dates.index_code, edition_dates.edition, dated.indicator_code
            order by dated.since_date desc, dated.rule_code
        ) as preference
    from dated
    inner join edition_dates
        on
            dated.index_code = edition_dates.index_code
            and dated.since_date <= edition_dates.as_of_date
    inner join indicators
        on
            edition_dates.index_code = indicators.index_code
            and edition_dates.edition = indicators.edition
            and dated.indicator_code = indicators.indicator_code
    where indicators.is_leaf

),

final as (

    select
        index_code,
        edition,
        as_of_date,
        is_synthetic,
        indicator_code,
        rule_code,
        feed,
        formula,
        standard_code,
        standard_version,
        least_grade,
        weighting,
        least_coverage_share
    from preferred
    where preference = 1

)

select * from final
