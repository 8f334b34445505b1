{{ tertiary_scores(values=ref('int_treated_values'), indicators=ref('int_scenario_indicators')) }}
