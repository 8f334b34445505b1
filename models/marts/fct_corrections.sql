with

repeated_observations as (

    {{ repeated_versions(
        ref('stg_observation_versions'),
        ['index_code', 'edition', 'city_code', 'indicator_code']
    ) | indent(4) }}

),

repeated_statistics as (

    {{ repeated_versions(ref('stg_statistic_versions'), ['city_code', 'year', 'statistic_code']) | indent(4) }}

),

repeated_cities as (

    {{ repeated_versions(ref('stg_city_versions'), ['city_code']) | indent(4) }}

),

repeated_frameworks as (

    {{ repeated_versions(ref('stg_framework_versions'), ['index_code', 'edition', 'indicator_code']) | indent(4) }}

),

repeated_hospitals as (

    {{ repeated_versions(
        ref('stg_hospital_versions'),
        ['hospital_code', 'standard_code', 'standard_version', 'assessed_on']
    ) | indent(4) }}

),

repeated_evidence as (

    {{ repeated_versions(ref('stg_evidence_versions'), ['evidence_id']) | indent(4) }}

),

changes as (

    {{ corrections(
        'observations',
        'repeated_observations',
        key=['index_code', 'edition', 'city_code', 'indicator_code'],
        index_key=['index_code', 'edition', 'city_code', 'indicator_code'],
        numbers=['value'],
        texts=['observed_on', 'source', 'provenance']
    ) }}
    union all
    {{ corrections(
        'statistics',
        'repeated_statistics',
        key=['city_code', 'year', 'statistic_code'],
        index_key=['city_code'],
        numbers=['value'],
        texts=['unit', 'source']
    ) }}
    union all
    {{ corrections(
        'cities',
        'repeated_cities',
        key=['city_code'],
        index_key=['city_code'],
        numbers=['longitude', 'latitude'],
        texts=['name_zh', 'name_en', 'province_zh', 'province_en', 'adcode']
    ) }}
    union all
    {{ corrections(
        'frameworks',
        'repeated_frameworks',
        key=['index_code', 'edition', 'indicator_code'],
        index_key=['index_code', 'edition', 'indicator_code'],
        numbers=[
            'weight',
            'min_coverage',
            'direction',
            'norm_low',
            'norm_high',
            'scale_low',
            'scale_high',
            'treatment_limit',
            'random_seed'
        ],
        texts=[
            'parent_code',
            'name_zh',
            'name_en',
            'normalisation',
            'aggregation',
            'missing_policy',
            'weight_status',
            'denominator',
            'imputation',
            'treatment'
        ]
    ) }}
    union all
    {{ corrections(
        'hospitals',
        'repeated_hospitals',
        key=['hospital_code', 'standard_code', 'standard_version', 'assessed_on'],
        index_key=['city_code'],
        numbers=['beds'],
        texts=['city_code', 'grade', 'hospital_name_zh', 'source']
    ) }}
    union all
    {{ corrections(
        'evidence',
        'repeated_evidence',
        key=['evidence_id'],
        index_key=['city_code', 'indicator_code'],
        numbers=[],
        texts=[
            'city_code',
            'title',
            'published_on',
            'kind',
            'indicator_code',
            'status',
            'url',
            'publisher',
            'text'
        ]
    ) }}

),

-- An empty text and none are the same. Of a city an empty field says nothing, so it changes nothing.
final as (

    select *
    from changes
    where
        old_batch_id is not null
        and not (kind = 'cities' and new_value is null and nullif(new_text, '') is null)
        and (
            old_value is distinct from new_value
            or nullif(old_text, '') is distinct from nullif(new_text, '')
        )

)

select * from final
