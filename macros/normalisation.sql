{#- From a value to a score: one macro for each normalisation.

    With directed_value = direction * value, and city_count, least_value and greatest_value over the directed values of
    the same scenario, index, edition and indicator. Source of the formulas: OECD/JRC Handbook on Constructing Composite
    Indicators (2008), section 5; where it leaves a choice, the one stated here. -#}

{#- Where directed_value lies between the least and the greatest one: 0..1. -#}
{% macro min_max() -%}
    (directed_value - least_value) / nullif(greatest_value - least_value, 0)
{%- endmacro %}

{#- Where a value lies between two norms, held to 0..1; with direction -1 counted from the other end. -#}
{% macro goalposts(value, norm_low, norm_high) -%}
    {%- set share = '(' ~ value ~ ' - ' ~ norm_low ~ ') / (' ~ norm_high ~ ' - ' ~ norm_low ~ ')' -%}
    {%- set held = 'least(greatest(' ~ share ~ ', 0), 1)' -%}
    case when direction < 0 then 1 - {{ held }} else {{ held }} end
{%- endmacro %}

{#- The same on natural logarithms; not defined for a value that is not above 0. -#}
{% macro log_goalposts() -%}
    case when value > 0 and norm_low > 0 then {{ goalposts("ln(value)", "ln(norm_low)", "ln(norm_high)") }} end
{%- endmacro %}

{#- Standard deviations above the mean. A place in 0..1 has the same z-score as the value that stands there. -#}
{% macro z_score() -%}
    (place - mean_place) / nullif(sd_place, 0)
{%- endmacro %}

{#- ascending_rank counts from 1 for the least directed_value; ties share the smallest. -#}
{% macro percentile_rank() -%}
    (ascending_rank - 1) / nullif(cast(city_count - 1 as double), 0)
{%- endmacro %}

{% macro fraction_of_max() -%}
    directed_value / nullif(greatest_value, 0)
{%- endmacro %}

{% macro distance_to_target() -%}
    (directed_value - least_value) / nullif(direction * norm_high - least_value, 0)
{%- endmacro %}

{% macro distance_to_reference() -%}
    1 - (direction * norm_low - directed_value) / nullif(direction * norm_low - least_value, 0)
{%- endmacro %}

{#- A share of the scale, from scale_low at 0 to scale_high at 1. -#}
{% macro mapped(share) -%}
    scale_low + (scale_high - scale_low) * ({{ share }})
{%- endmacro %}

{#- The score that a value comes to by its indicator's normalisation. -#}
{% macro normalised_score() -%}
    case normalisation
        when 'score' then case when direction < 0 then 100 - value else value end
        when 'min_max' then {{ mapped(min_max()) }}
        when 'goalposts' then {{ mapped(goalposts("value", "norm_low", "norm_high")) | indent(8) }}
        when 'log_goalposts' then {{ mapped(log_goalposts()) | indent(8) }}
        when 'percentile_rank' then {{ mapped(percentile_rank()) }}
        when 'fraction_of_max' then {{ mapped(fraction_of_max()) }}
        when 'distance_to_target' then {{ mapped(distance_to_target()) }}
        when 'distance_to_reference' then {{ mapped(distance_to_reference()) }}
        when 'z_score' then scale_low + scale_high * {{ z_score() }}
        when 'rank' then cast(ascending_rank as double)
        when 'borda' then cast(ascending_rank - 1 as double)
    end
{%- endmacro %}

{#- Why a value that is there has no score; null where it has one. A score is a place among others: where all cities are
    alike, or there is only one, there is none. A given score is one by itself. -#}
{% macro missing_reason_of_score() -%}
    case
        when normalisation = 'score' and not value between 0 and 100 then 'out_of_range'
        when normalisation <> 'score' and (city_count < 2 or greatest_value = least_value) then 'no_spread'
        when normalisation = 'log_goalposts' and value <= 0 then 'not_positive'
        when normalised_score is null then 'no_spread'
        when not abs(normalised_score) < {{ var('largest_score') }} then 'too_large'
    end
{%- endmacro %}

{#- The scores of tertiaries from their values, for every scenario, index, edition and city.

    values: a relation with the columns scenario, index_code, edition, city_code, indicator_code, value, missing_reason,
        is_imputed, provenance: one row for each city and tertiary, with and without a value
    indicators: a relation like int_scenario_indicators -#}
{% macro tertiary_scores(values, indicators) -%}
with

directed as (

    select
        tertiaries.*,
        indicators.normalisation,
        indicators.direction,
        cast(indicators.norm_low as double) as norm_low,
        cast(indicators.norm_high as double) as norm_high,
        cast(indicators.scale_low as double) as scale_low,
        cast(indicators.scale_high as double) as scale_high,
        indicators.direction * tertiaries.value as directed_value
    from {{ values }} as tertiaries
    inner join {{ indicators }} as indicators
        on
            tertiaries.scenario = indicators.scenario
            and tertiaries.index_code = indicators.index_code
            and tertiaries.edition = indicators.edition
            and tertiaries.indicator_code = indicators.indicator_code

),

bounds as (

    select
        scenario,
        index_code,
        edition,
        indicator_code,
        count(directed_value) as city_count,
        min(directed_value) as least_value,
        max(directed_value) as greatest_value
    from directed
    group by scenario, index_code, edition, indicator_code

),

placed as (

    select
        directed.*,
        bounds.city_count,
        bounds.least_value,
        bounds.greatest_value,
        {{ min_max() }} as place
    from directed
    -- Every row has its bounds. An engine that cannot know it takes an inner join to leave few rows, and then holds all
    -- of them in memory to look the ranks up, where it could hold the ranks.
    left join bounds
        on
            directed.scenario = bounds.scenario
            and directed.index_code = bounds.index_code
            and directed.edition = bounds.edition
            and directed.indicator_code = bounds.indicator_code

),

-- Means, deviations and ranks are taken where a normalisation asks for them, and nowhere else.
means as (

    select
        scenario,
        index_code,
        edition,
        indicator_code,
        {{ stable_mean('place') }} as mean_place
    from placed
    where normalisation = 'z_score'
    group by scenario, index_code, edition, indicator_code

),

spreads as (

    select
        placed.scenario,
        placed.index_code,
        placed.edition,
        placed.indicator_code,
        means.mean_place,
        sqrt(
            {{ stable_sum('(place - mean_place) * (place - mean_place)') }} / nullif(placed.city_count - 1, 0)
        ) as sd_place
    from placed
    inner join means
        on
            placed.scenario = means.scenario
            and placed.index_code = means.index_code
            and placed.edition = means.edition
            and placed.indicator_code = means.indicator_code
    group by
        placed.scenario,
        placed.index_code,
        placed.edition,
        placed.indicator_code,
        placed.city_count,
        means.mean_place

),

ranks as (

    select
        scenario,
        index_code,
        edition,
        indicator_code,
        city_code,
        rank() over (
            partition by scenario, index_code, edition, indicator_code
            order by directed_value
        ) as ascending_rank
    from directed
    where normalisation in ('percentile_rank', 'rank', 'borda') and directed_value is not null

),

measured as (

    select
        placed.*,
        spreads.mean_place,
        spreads.sd_place,
        ranks.ascending_rank
    from placed
    left join spreads
        on
            placed.scenario = spreads.scenario
            and placed.index_code = spreads.index_code
            and placed.edition = spreads.edition
            and placed.indicator_code = spreads.indicator_code
    left join ranks
        on
            placed.scenario = ranks.scenario
            and placed.index_code = ranks.index_code
            and placed.edition = ranks.edition
            and placed.indicator_code = ranks.indicator_code
            and placed.city_code = ranks.city_code

),

normalised as (

    select
        *,
        {{ normalised_score() | indent(8) }} as normalised_score
    from measured

),

judged as (

    select
        *,
        case
            when value is null then coalesce(missing_reason, 'not_observed')
            else {{ missing_reason_of_score() | indent(12) }}
        end as score_missing_reason
    from normalised

),

final as (

    select
        scenario,
        index_code,
        edition,
        city_code,
        indicator_code,
        case when score_missing_reason is null then normalised_score end as score,
        score_missing_reason as missing_reason,
        cast(null as double) as used_weight,
        cast(null as double) as share_divisor,
        cast(null as double) as child_coverage_share,
        case when provenance is not null and not is_imputed then cast(1 as double) else cast(0 as double) end
            as weighted_coverage_share,
        1 as tertiary_count,
        case when provenance is not null and not is_imputed then 1 else 0 end as observed_tertiary_count,
        case when is_imputed then 1 else 0 end as imputed_tertiary_count,
        provenance as first_provenance,
        provenance as last_provenance
    from judged

)

select * from final
{%- endmacro %}
