{%- set cell = ['index_code', 'edition', 'city_code', 'indicator_code'] -%}
{%- set most_records = var('traced_records') -%}

with

indicator_values as (

    select * from {{ ref('fct_indicator_values') }}

),

indicator_scores as (

    select * from {{ ref('fct_indicator_scores') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

cities as (

    select * from {{ ref('dim_cities') }}

),

editions as (

    select * from {{ ref('dim_editions') }}

),

rules as (

    select * from {{ ref('int_edition_rules') }}

),

rule_hospitals as (

    select * from {{ ref('int_rule_hospitals') }}

),

hospitals as (

    select * from {{ ref('dim_hospitals') }}

),

indicator_evidence as (

    select * from {{ ref('fct_indicator_evidence') }}

),

-- The strongest records are shown; the tables of the feeds hold all.
scored_evidence as (

    select *
    from {{ ref('int_scored_evidence') }}
    where place <= {{ most_records }}

),

evidence as (

    select * from {{ ref('fct_evidence') }}

),

-- What a given value rests on is the observation itself.
given_records as (

    select
        index_code,
        edition,
        city_code,
        indicator_code,
        1 as record_number,
        1 as record_count,
        'observation' as record_kind,
        cast(null as string) as record_id,
        source as record_title,
        observed_on as record_on,
        provenance as record_detail,
        observed_value as record_value,
        cast(null as double) as record_weight,
        cast(null as string) as record_publisher,
        cast(null as string) as record_url
    from indicator_values
    where
        observed_value is not null
        and rule_code is null
        and not is_imputed

),

grade_records as (

    select
        indicator_values.index_code,
        indicator_values.edition,
        indicator_values.city_code,
        indicator_values.indicator_code,
        row_number() over (
            partition by
                indicator_values.index_code,
                indicator_values.edition,
                indicator_values.city_code,
                indicator_values.indicator_code
            order by rule_hospitals.weight * rule_hospitals.value desc, rule_hospitals.hospital_code
        ) as record_number,
        count(*) over (
            partition by
                indicator_values.index_code,
                indicator_values.edition,
                indicator_values.city_code,
                indicator_values.indicator_code
        ) as record_count,
        'hospital_grade' as record_kind,
        rule_hospitals.hospital_code as record_id,
        coalesce(hospitals.hospital_name_zh, rule_hospitals.hospital_code) as record_title,
        rule_hospitals.assessed_on as record_on,
        rule_hospitals.standard_code || ' ' || rule_hospitals.standard_version || ': ' || rule_hospitals.grade
        || case
            when rule_hospitals.beds is not null then ', ' || cast(rule_hospitals.beds as string) || ' beds'
            when rule_hospitals.weighting = 'beds' then ', beds not known'
            else ''
        end as record_detail,
        rule_hospitals.value as record_value,
        rule_hospitals.weight as record_weight,
        cast(null as string) as record_publisher,
        cast(null as string) as record_url
    from indicator_values
    inner join rule_hospitals
        on
            indicator_values.index_code = rule_hospitals.index_code
            and indicator_values.edition = rule_hospitals.edition
            and indicator_values.city_code = rule_hospitals.city_code
            and indicator_values.indicator_code = rule_hospitals.indicator_code
            and indicator_values.rule_code = rule_hospitals.rule_code
    left join hospitals
        on rule_hospitals.hospital_code = hospitals.hospital_code

),

evidence_records as (

    select
        indicator_values.index_code,
        indicator_values.edition,
        indicator_values.city_code,
        indicator_values.indicator_code,
        scored_evidence.place as record_number,
        indicator_evidence.record_count,
        'evidence' as record_kind,
        scored_evidence.evidence_id as record_id,
        evidence.title as record_title,
        scored_evidence.published_on as record_on,
        evidence.kind || ', ' || scored_evidence.status || ', ' || evidence.classification
        || coalesce(': ' || case when evidence.classification = 'rule' then evidence.rule_trace end, '')
            as record_detail,
        scored_evidence.score as record_value,
        cast(null as double) as record_weight,
        evidence.publisher as record_publisher,
        evidence.url as record_url
    from indicator_values
    inner join rules
        on
            indicator_values.index_code = rules.index_code
            and indicator_values.edition = rules.edition
            and indicator_values.rule_code = rules.rule_code
    inner join scored_evidence
        on
            indicator_values.index_code = scored_evidence.index_code
            and indicator_values.edition = scored_evidence.edition
            and indicator_values.city_code = scored_evidence.city_code
            and indicator_values.indicator_code = scored_evidence.indicator_code
    inner join indicator_evidence
        on
            indicator_values.index_code = indicator_evidence.index_code
            and indicator_values.edition = indicator_evidence.edition
            and indicator_values.city_code = indicator_evidence.city_code
            and indicator_values.indicator_code = indicator_evidence.indicator_code
    inner join evidence
        on scored_evidence.evidence_id = evidence.evidence_id
    where rules.feed = 'evidence'

),

records as (

    select * from given_records
    union all
    select * from grade_records
    where record_number <= {{ most_records }}
    union all
    select * from evidence_records

),

final as (

    select
        tertiaries.index_code,
        tertiaries.edition,
        tertiaries.city_code,
        cities.name_zh as city_zh,
        cities.name_en as city_en,
        totals.score as total_score,
        totals.rank as total_rank,
        {%- for level in ['primary', 'secondary'] %}
        {{ level }}_nodes.indicator_code as {{ level }}_code,
        {{ level }}_nodes.name_zh as {{ level }}_zh,
        {{ level }}_nodes.name_en as {{ level }}_en,
        {{ level }}_scores.score as {{ level }}_score,
        {{ level }}_scores.contribution as {{ level }}_contribution,
        {%- endfor %}
        tertiaries.indicator_code,
        tertiary_nodes.name_zh as indicator_zh,
        tertiary_nodes.name_en as indicator_en,
        tertiary_nodes.weight_status,
        tertiaries.score,
        tertiaries.contribution,
        tertiaries.provenance,
        tertiaries.missing_reason,
        rules.rule_code,
        rules.formula,
        coalesce(cast(records.record_number as int), 0) as record_number,
        coalesce(cast(records.record_count as int), 0) as record_count,
        records.record_kind,
        records.record_id,
        records.record_title,
        records.record_on,
        records.record_detail,
        records.record_value,
        records.record_weight,
        records.record_publisher,
        records.record_url,
        {{ edition_notice('editions', 'zh') | indent(8) }} as notice_zh,
        {{ edition_notice('editions', 'en') | indent(8) }} as notice_en
    from indicator_scores as tertiaries
    inner join indicators as tertiary_nodes
        on
            tertiaries.index_code = tertiary_nodes.index_code
            and tertiaries.edition = tertiary_nodes.edition
            and tertiaries.indicator_code = tertiary_nodes.indicator_code
    {%- for level, child in [('secondary', 'tertiary'), ('primary', 'secondary')] %}
    inner join indicators as {{ level }}_nodes
        on
            {{ child }}_nodes.index_code = {{ level }}_nodes.index_code
            and {{ child }}_nodes.edition = {{ level }}_nodes.edition
            and {{ child }}_nodes.parent_code = {{ level }}_nodes.indicator_code
    inner join indicator_scores as {{ level }}_scores
        on
            tertiaries.index_code = {{ level }}_scores.index_code
            and tertiaries.edition = {{ level }}_scores.edition
            and tertiaries.city_code = {{ level }}_scores.city_code
            and {{ level }}_nodes.indicator_code = {{ level }}_scores.indicator_code
    {%- endfor %}
    inner join indicator_scores as totals
        on
            tertiaries.index_code = totals.index_code
            and tertiaries.edition = totals.edition
            and tertiaries.city_code = totals.city_code
            and totals.level = 0
    inner join cities
        on tertiaries.city_code = cities.city_code
    inner join editions
        on
            tertiaries.index_code = editions.index_code
            and tertiaries.edition = editions.edition
    left join rules
        on
            tertiaries.index_code = rules.index_code
            and tertiaries.edition = rules.edition
            and tertiaries.rule_code = rules.rule_code
    left join records
        on
            {%- for column in cell %}
            tertiaries.{{ column }} = records.{{ column }}{{ '\n            and' if not loop.last }}
            {%- endfor %}
    where tertiaries.level = 3

)

select * from final
