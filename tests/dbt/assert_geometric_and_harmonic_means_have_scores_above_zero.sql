-- A geometric or harmonic mean is not defined where a child scores zero or less; the node has no score.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_indicator_scores'}}}) }}

{{ indicators_without_scores(reasons=['not_positive'], of_leaves=false) }}
