{{ all_versions(
    seed=ref('statistics'),
    landed=source('landed', 'statistics'),
    columns=[
        'city_code',
        'year',
        'statistic_code',
        'value',
        'unit',
        'source'
    ]
) }}
