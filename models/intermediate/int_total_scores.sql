{{ parent_scores(child_scores=ref('int_primary_scores'), indicators=ref('int_scenario_indicators')) }}
