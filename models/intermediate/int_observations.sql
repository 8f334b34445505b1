{%- set cell = ['index_code', 'edition', 'city_code', 'indicator_code'] -%}

with

given as (

    select * from {{ ref('stg_observations') }}

),

derived as (

    select * from {{ ref('int_derived_observations') }}

),

precedences as (

    select * from {{ ref('stg_provenance_precedence') }}

),

-- The cities of an edition are those with a given observation; records fill their gaps and bring no city. An edition
-- without any given observation has the cities that its records have.
given_cities as (

    {{ cities_of_editions('given') | indent(4) }}

),

candidates as (

    select
        {{ cell | join(', ') }},
        value,
        observed_on,
        source,
        provenance,
        cast(null as string) as rule_code
    from given
    union all
    select
        derived.index_code,
        derived.edition,
        derived.city_code,
        derived.indicator_code,
        derived.value,
        derived.newest_on as observed_on,
        cast(null as string) as source,
        'derived' as provenance,
        derived.rule_code
    from derived
    left join given_cities
        on
            derived.index_code = given_cities.index_code
            and derived.edition = given_cities.edition
            and derived.city_code = given_cities.city_code
    left join (select distinct index_code, edition from given_cities) as given_editions
        on
            derived.index_code = given_editions.index_code
            and derived.edition = given_editions.edition
    where
        given_cities.city_code is not null
        or given_editions.index_code is null

),

-- Among values of the same place a given one stands before one that a rule made; one of unknown place stands last.
preferred as (

    select
        candidates.*,
        row_number() over (
            partition by
                candidates.index_code, candidates.edition, candidates.city_code, candidates.indicator_code
            order by
                candidates.value is null,
                precedences.precedence is null,
                precedences.precedence,
                candidates.rule_code is not null
        ) as preference
    from candidates
    left join precedences
        on candidates.provenance = precedences.provenance

),

final as (

    select
        {{ cell | join(', ') }},
        value,
        observed_on,
        source,
        provenance,
        rule_code
    from preferred
    where preference = 1

)

select * from final
