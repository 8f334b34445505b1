{{ parent_scores(child_scores=ref('int_tertiary_scores'), indicators=ref('int_scenario_indicators')) }}
