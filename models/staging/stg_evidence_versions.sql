{{ all_versions(
    seed=ref('evidence'),
    landed=source('landed', 'evidence'),
    columns=[
        'evidence_id',
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
