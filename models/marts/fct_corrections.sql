{#- What may change of each kind: the columns that tell where the row belongs, and its fields. -#}
{%- set kinds = [
    {
        'name': 'observations',
        'versions': ref('stg_observation_versions'),
        'index_key': ['index_code', 'edition', 'city_code', 'indicator_code'],
        'numbers': ['value'],
        'texts': ['observed_on', 'source', 'provenance'],
    },
    {
        'name': 'statistics',
        'versions': ref('stg_statistic_versions'),
        'index_key': ['city_code'],
        'numbers': ['value'],
        'texts': ['unit', 'source'],
    },
    {
        'name': 'cities',
        'versions': ref('stg_city_versions'),
        'index_key': ['city_code'],
        'numbers': ['longitude', 'latitude'],
        'texts': ['name_zh', 'name_en', 'province_zh', 'province_en', 'adcode'],
    },
    {
        'name': 'frameworks',
        'versions': ref('stg_framework_versions'),
        'index_key': ['index_code', 'edition', 'indicator_code'],
        'numbers': [
            'weight',
            'min_coverage',
            'direction',
            'norm_low',
            'norm_high',
            'scale_low',
            'scale_high',
            'treatment_limit',
            'random_seed',
        ],
        'texts': [
            'parent_code',
            'name_zh',
            'name_en',
            'normalisation',
            'aggregation',
            'missing_policy',
            'weight_status',
            'denominator',
            'imputation',
            'treatment',
        ],
    },
    {
        'name': 'hospitals',
        'versions': ref('stg_hospital_versions'),
        'index_key': ['city_code'],
        'numbers': ['beds'],
        'texts': ['city_code', 'grade', 'hospital_name_zh', 'source'],
    },
    {
        'name': 'evidence',
        'versions': ref('stg_evidence_versions'),
        'index_key': ['city_code', 'indicator_code'],
        'numbers': [],
        'texts': [
            'city_code',
            'title',
            'published_on',
            'kind',
            'indicator_code',
            'status',
            'url',
            'publisher',
            'text',
        ],
    },
] -%}

with

{% for kind in kinds -%}
repeated_{{ kind.name }} as (

    {{ repeated_versions(kind.versions, landing_keys()[kind.name]) | indent(4) }}

),

{% endfor -%}

changes as (

    {%- for kind in kinds %}
    {{ corrections(
        kind.name,
        'repeated_' ~ kind.name,
        landing_keys()[kind.name],
        kind.index_key,
        kind.numbers,
        kind.texts
    ) }}
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}

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
