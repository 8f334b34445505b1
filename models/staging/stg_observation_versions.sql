{{ all_versions(
    seed=ref('observations'),
    landed=source('landed', 'observations'),
    columns=[
        'index_code',
        'edition',
        'city_code',
        'indicator_code',
        'value',
        'observed_on',
        'source',
        "coalesce(nullif(trim(provenance), ''), 'observed') as provenance"
    ]
) }}
