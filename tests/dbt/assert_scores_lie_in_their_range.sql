-- A value that is no score in 0..100, or a score too large to be summed, counts as missing.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_indicator_scores'}}}) }}

{{ indicators_without_scores(reasons=['out_of_range', 'too_large'], of_leaves=true) }}
