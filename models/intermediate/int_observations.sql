{%- set cell = ['index_code', 'edition', 'city_code', 'indicator_code'] -%}
{%- set given_values = ref('stg_observations') -%}

with

derived as (

    select * from {{ ref('int_derived_observations') }}

),

precedences as (

    select * from {{ ref('stg_provenance_precedence') }}

),

-- The cities of an edition are those with a given observation; records fill their gaps and bring no city. An edition
-- without any given observation has the cities that its records have.
given_cities as (

    {{ cities_of_editions(given_values) | indent(4) }}

),

admitted as (

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

-- A given value beside the admitted derived one of its cell, where there is one. Given values are the widest rows of a
-- build: they are read where they stand each time, and no step holds all of them.
{% for name, kind_of_join in [('contested', 'inner'), ('given', 'left')] %}
{{ name }} as (

    select
        given.*,
        -- A derived value counts instead where only it is a value, or where its provenance stands before the other. One
        -- of unknown place stands last; of the same place, the given one counts.
        case
            when admitted.index_code is null then false
            when (given.value is null) <> (admitted.value is null) then given.value is null
            when derived_places.precedence is null then false
            when given_places.precedence is null then true
            else derived_places.precedence < given_places.precedence
        end as is_overruled
    from {{ given_values }} as given
    {{ kind_of_join }} join admitted
        on {{ same_key('given', 'admitted', cell) }}
    left join precedences as given_places
        on given.provenance = given_places.provenance
    left join precedences as derived_places
        on derived_places.provenance = 'derived'

),

{% endfor -%}

final as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        value,
        observed_on,
        source,
        provenance,
        cast(null as string) as rule_code
    from given
    where not is_overruled
    union all
    select admitted.*
    from admitted
    left join contested
        on {{ same_key('admitted', 'contested', cell) }}
    where
        contested.index_code is null
        or contested.is_overruled

)

select * from final
