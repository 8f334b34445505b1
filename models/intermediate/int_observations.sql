{%- set cell = ['index_code', 'edition', 'city_code', 'indicator_code'] -%}
{%- set columns = cell + ['value', 'observed_on', 'source', 'provenance', 'rule_code'] -%}

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

-- Few cells have both a given and a derived value; of all others there is nothing to choose.
contested_cells as (

    select
        given.index_code,
        given.edition,
        given.city_code,
        given.indicator_code
    from given
    inner join derived
        on
            given.index_code = derived.index_code
            and given.edition = derived.edition
            and given.city_code = derived.city_code
            and given.indicator_code = derived.indicator_code

),

placed as (

    select
        candidates.*,
        contested_cells.city_code is not null as is_contested
    from candidates
    left join contested_cells
        on
            candidates.index_code = contested_cells.index_code
            and candidates.edition = contested_cells.edition
            and candidates.city_code = contested_cells.city_code
            and candidates.indicator_code = contested_cells.indicator_code

),

-- Among values of the same place a given one stands before one that a rule made; one of unknown place stands last.
preferred as (

    select
        placed.*,
        row_number() over (
            partition by placed.index_code, placed.edition, placed.city_code, placed.indicator_code
            order by
                placed.value is null,
                precedences.precedence is null,
                precedences.precedence,
                placed.rule_code is not null
        ) as preference
    from placed
    left join precedences
        on placed.provenance = precedences.provenance
    where placed.is_contested

),

final as (

    select {{ columns | join(', ') }}
    from placed
    where not is_contested
    union all
    select {{ columns | join(', ') }}
    from preferred
    where preference = 1

)

select * from final
