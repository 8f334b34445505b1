-- Each index and edition is one tree: a single root, every parent known, every leaf three levels below the root.

{{ config(meta={'dagster': {'ref': {'name': 'int_indicators'}}}) }}

with

indicators as (

    select * from {{ ref('int_indicators') }}

),

root_counts as (

    select
        index_code,
        edition,
        count(case when parent_code is null then 1 end) as root_count
    from indicators
    group by index_code, edition

),

final as (

    select
        index_code,
        edition,
        cast(null as string) as indicator_code,
        'roots: ' || cast(root_count as string) as fault
    from root_counts
    where root_count <> 1
    union all
    select
        children.index_code,
        children.edition,
        children.indicator_code,
        'unknown parent: ' || children.parent_code as fault
    from indicators as children
    left join indicators as parents
        on
            children.index_code = parents.index_code
            and children.edition = parents.edition
            and children.parent_code = parents.indicator_code
    where
        children.parent_code is not null
        and parents.indicator_code is null
    union all
    select
        index_code,
        edition,
        indicator_code,
        'a leaf that is not three levels below the root' as fault
    from indicators
    where
        is_leaf
        and level is distinct from 3

)

select * from final
