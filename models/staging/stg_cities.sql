with

cities as (

    select * from {{ current_version(ref('stg_city_versions'), ['city_code']) }} as current_versions

),

final as (

    select
        city_code,
        name_zh,
        name_en,
        nullif(trim(province_zh), '') as province_zh,
        nullif(trim(province_en), '') as province_en,
        nullif(trim(adcode), '') as adcode,
        longitude,
        latitude
    from cities

)

select * from final
