{{ parent_scores(child_scores=ref('int_secondary_scores'), indicators=ref('int_scenario_indicators')) }}
