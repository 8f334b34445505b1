-- Where an indicator is taken as a logarithm, a value at or below zero counts as missing.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_indicator_scores'}}}) }}

{{ indicators_without_scores(reasons=['not_positive'], of_leaves=true) }}
