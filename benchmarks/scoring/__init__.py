"""The same scores by other means: what `benchmarks.scoring_over_script` holds the project's models against.

What belongs here: one module for each means, which reads the landed Parquet of a generated index and writes what it
computed. Each knows only what such an index needs (arithmetic nodes, missing children dropped out, no imputation, no
outliers, no denominators, no tiers, one batch for each key), where the models know the whole method.
"""
