with

versions as (

    select * from {{ ref('stg_framework_versions') }}

),

notes as (

    select * from {{ ref('frameworks') }}

),

-- A tree counts whole: all nodes of the latest batch that gives its index and edition, and none of earlier ones.
latest as (

    select
        index_code,
        edition,
        max(batch_number) as batch_number
    from versions
    group by index_code, edition

),

frameworks as (

    select
        versions.*,
        notes.note
    from versions
    inner join latest
        on
            versions.index_code = latest.index_code
            and versions.edition = latest.edition
            and versions.batch_number = latest.batch_number
    left join notes
        on
            versions.index_code = notes.index_code
            and versions.edition = notes.edition
            and versions.indicator_code = notes.indicator_code

),

named as (

    select
        index_code,
        edition,
        indicator_code,
        nullif(trim(parent_code), '') as parent_code,
        name_zh,
        name_en,
        weight as relative_weight,
        direction,
        nullif(trim(normalisation), '') as normalisation,
        norm_low,
        norm_high,
        scale_low,
        scale_high,
        nullif(trim(aggregation), '') as aggregation,
        nullif(trim(missing_policy), '') as missing_policy,
        min_coverage,
        nullif(trim(weight_status), '') as weight_status,
        nullif(trim(note), '') as note
    from frameworks

),

parents as (

    select distinct
        index_code,
        edition,
        parent_code
    from named
    where parent_code is not null

),

-- What a framework leaves empty takes the documented default, on the nodes to which the choice applies. A weight of
-- unknown standing counts as assumed: nobody may read it as printed.
final as (

    select
        named.index_code,
        named.edition,
        named.indicator_code,
        named.parent_code,
        named.name_zh,
        named.name_en,
        named.relative_weight,
        parents.parent_code is null as is_leaf,
        case when parents.parent_code is null then coalesce(named.direction, 1) end as direction,
        case when parents.parent_code is null then coalesce(named.normalisation, 'score') end as normalisation,
        named.norm_low,
        named.norm_high,
        case when parents.parent_code is null then coalesce(named.scale_low, 0) end as scale_low,
        case when parents.parent_code is null then coalesce(named.scale_high, 100) end as scale_high,
        case when parents.parent_code is not null then coalesce(named.aggregation, 'arithmetic') end as aggregation,
        case when parents.parent_code is not null then coalesce(named.missing_policy, 'renormalise') end
            as missing_policy,
        case when parents.parent_code is not null then named.min_coverage end as min_coverage,
        coalesce(named.weight_status, 'assumed') as weight_status,
        named.note
    from named
    left join parents
        on
            named.index_code = parents.index_code
            and named.edition = parents.edition
            and named.indicator_code = parents.parent_code

)

select * from final
