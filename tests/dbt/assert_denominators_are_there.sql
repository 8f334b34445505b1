-- A value whose city has no statistic above zero to be divided by counts as missing.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_indicator_scores'}}}) }}

{{ indicators_without_scores(reasons=['no_denominator'], of_leaves=true) }}
