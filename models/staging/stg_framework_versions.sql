{{ all_versions(
    seed=ref('frameworks'),
    landed=source('landed', 'frameworks'),
    columns=[
        'index_code',
        'edition',
        'indicator_code',
        'parent_code',
        'name_zh',
        'name_en',
        'weight',
        'direction',
        'normalisation',
        'norm_low',
        'norm_high',
        'scale_low',
        'scale_high',
        'aggregation',
        'missing_policy',
        'min_coverage',
        'weight_status',
        'denominator',
        'imputation',
        'treatment',
        'treatment_limit',
        'random_seed'
    ]
) }}
