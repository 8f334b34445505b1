{{ all_versions(
    seed=ref('cities'),
    landed=source('landed', 'cities'),
    columns=[
        'city_code',
        'name_zh',
        'name_en',
        'province_zh',
        'province_en',
        'adcode',
        'longitude',
        'latitude'
    ]
) }}
