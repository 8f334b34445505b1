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
        nullif(nullif(trim(denominator), ''), 'none') as denominator,
        nullif(trim(imputation), '') as imputation,
        nullif(trim(treatment), '') as treatment,
        treatment_limit,
        random_seed,
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
defaulted as (

    select
        named.index_code,
        named.edition,
        named.indicator_code,
        named.parent_code,
        named.name_zh,
        named.name_en,
        named.relative_weight,
        parents.parent_code is null as is_leaf,
        coalesce(named.direction, 1) as direction,
        coalesce(named.normalisation, 'score') as normalisation,
        named.norm_low,
        named.norm_high,
        named.scale_low,
        named.scale_high,
        coalesce(named.aggregation, 'arithmetic') as aggregation,
        coalesce(named.missing_policy, 'renormalise') as missing_policy,
        named.min_coverage,
        coalesce(named.weight_status, 'assumed') as weight_status,
        named.denominator,
        coalesce(named.imputation, 'none') as imputation,
        coalesce(named.treatment, 'none') as treatment,
        named.treatment_limit,
        named.random_seed,
        named.note
    from named
    left join parents
        on
            named.index_code = parents.index_code
            and named.edition = parents.edition
            and named.indicator_code = parents.parent_code

),

-- The scale of a z-score is its mean and standard deviation; ranks have none.
final as (

    select
        index_code,
        edition,
        indicator_code,
        parent_code,
        name_zh,
        name_en,
        relative_weight,
        is_leaf,
        case when is_leaf then direction end as direction,
        case when is_leaf then normalisation end as normalisation,
        norm_low,
        norm_high,
        case
            when is_leaf and normalisation not in ('rank', 'borda') then coalesce(scale_low, 0)
        end as scale_low,
        case
            when is_leaf and normalisation = 'z_score' then coalesce(scale_high, 1)
            when is_leaf and normalisation not in ('rank', 'borda') then coalesce(scale_high, 100)
        end as scale_high,
        case when not is_leaf then aggregation end as aggregation,
        case when not is_leaf then missing_policy end as missing_policy,
        case when not is_leaf then min_coverage end as min_coverage,
        weight_status,
        case when is_leaf then denominator end as denominator,
        case when is_leaf then imputation end as imputation,
        case when is_leaf then treatment end as treatment,
        case
            when is_leaf and treatment = 'winsorise'
                then coalesce(treatment_limit, {{ var('default_treatment_limit') }})
        end as treatment_limit,
        case
            when parent_code is null then coalesce(random_seed, {{ var('default_random_seed') }})
        end as random_seed,
        note
    from defaulted

)

select * from final
