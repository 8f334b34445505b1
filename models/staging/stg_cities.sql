{#- What a city is called is given by every file; the rest may be left empty, and then the earlier file's holds. -#}
{%- set kept_fields = ['province_zh', 'province_en', 'adcode', 'longitude', 'latitude'] -%}

with

versions as (

    select
        city_code,
        batch_number,
        name_zh,
        name_en,
        nullif(trim(province_zh), '') as province_zh,
        nullif(trim(province_en), '') as province_en,
        nullif(trim(adcode), '') as adcode,
        longitude,
        latitude
    from {{ ref('stg_city_versions') }}

),

dated as (

    select
        *,
        {%- for field in kept_fields %}
        {{ last_given(field, ['city_code']) }} as {{ field }}_batch,
        {%- endfor %}
        max(batch_number) over (partition by city_code) as last_batch
    from versions

),

final as (

    select
        city_code,
        max(case when batch_number = last_batch then name_zh end) as name_zh,
        max(case when batch_number = last_batch then name_en end) as name_en,
        {%- for field in kept_fields %}
        max(case when batch_number = {{ field }}_batch then {{ field }} end) as {{ field }}{{ ',' if not loop.last }}
        {%- endfor %}
    from dated
    group by city_code

)

select * from final
