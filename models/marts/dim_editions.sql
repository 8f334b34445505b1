with

edition_settings as (

    select * from {{ ref('int_edition_settings') }}

),

indicators as (

    select * from {{ ref('int_indicators') }}

),

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

leaves as (

    select
        index_code,
        edition,
        {{ stable_sum("case when weight_status = 'assumed' then effective_weight else 0 end") }}
            as assumed_weight_share,
        {{ decimals_of_scale("coalesce(max(" ~ width_of_scale() ~ "), 100)") }} as report_decimals
    from indicators
    where is_leaf
    group by index_code, edition

),

totals as (

    select
        index_code,
        edition,
        cast(count(*) as int) as city_count,
        cast(count(score) as int) as scored_city_count,
        {{ stable_mean('score') }} as mean_total_score
    from indicator_scores
    where level = 0
    group by index_code, edition

),

observed_provenances as (

    select
        index_code,
        edition,
        min(provenance) as first_provenance,
        max(provenance) as last_provenance,
        count(case when provenance = 'reconstructed' then 1 end)
        / nullif(cast(count(case when provenance <> 'imputed' then 1 end) as double), 0) as reconstructed_share
    from indicator_scores
    where level = 3
    group by index_code, edition

),

final as (

    select
        edition_settings.index_code,
        edition_settings.edition,
        case when not edition_settings.is_synthetic then edition_settings.edition_ordinal end as edition_ordinal,
        edition_settings.title_zh,
        edition_settings.title_en,
        edition_settings.publisher_zh,
        edition_settings.publisher_en,
        edition_settings.source_document,
        coalesce(totals.city_count, 0) as city_count,
        coalesce(totals.scored_city_count, 0) as scored_city_count,
        totals.mean_total_score,
        case
            when observed_provenances.first_provenance = observed_provenances.last_provenance
                then observed_provenances.first_provenance
            when observed_provenances.first_provenance is not null then 'mixed'
        end as provenance,
        coalesce(observed_provenances.reconstructed_share, 0) as reconstructed_share,
        leaves.assumed_weight_share,
        leaves.report_decimals,
        edition_settings.weighting_statistic_code,
        edition_settings.weighting_year,
        edition_settings.as_of_date,
        edition_settings.is_synthetic,
        edition_settings.random_seed,
        edition_settings.note
    from edition_settings
    inner join leaves
        on
            edition_settings.index_code = leaves.index_code
            and edition_settings.edition = leaves.edition
    left join totals
        on
            edition_settings.index_code = totals.index_code
            and edition_settings.edition = totals.edition
    left join observed_provenances
        on
            edition_settings.index_code = observed_provenances.index_code
            and edition_settings.edition = observed_provenances.edition

)

select * from final
