-- An indicator in which all cities are alike, or only one has a value, tells none from another and has no score; so has
-- one whose target, reference or maximum is no end of a scale.

{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_indicator_scores'}}}) }}

{{ indicators_without_scores(reasons=['no_spread'], of_leaves=true) }}
