with

changes as (

    {{ corrections(
        'observations',
        ref('stg_observation_versions'),
        key=['index_code', 'edition', 'city_code', 'indicator_code'],
        index_key=['index_code', 'edition', 'city_code', 'indicator_code'],
        numbers=['value'],
        texts=['observed_on', 'source', 'provenance']
    ) }}
    union all
    {{ corrections(
        'statistics',
        ref('stg_statistic_versions'),
        key=['city_code', 'year', 'statistic_code'],
        index_key=['city_code'],
        numbers=['value'],
        texts=['unit', 'source']
    ) }}
    union all
    {{ corrections(
        'cities',
        ref('stg_city_versions'),
        key=['city_code'],
        index_key=['city_code'],
        numbers=['longitude', 'latitude'],
        texts=['name_zh', 'name_en', 'province_zh', 'province_en', 'adcode']
    ) }}
    union all
    {{ corrections(
        'frameworks',
        ref('stg_framework_versions'),
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
            'treatment_limit'
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
