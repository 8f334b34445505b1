{{ all_versions(
    seed=ref('hospitals'),
    landed=source('landed', 'hospitals'),
    columns=[
        'hospital_code',
        'city_code',
        'standard_code',
        'standard_version',
        'grade',
        'assessed_on',
        'hospital_name_zh',
        'beds',
        'source'
    ]
) }}
