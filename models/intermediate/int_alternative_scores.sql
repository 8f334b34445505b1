{{ tertiary_scores(values=ref('int_alternative_values'), indicators=ref('int_alternative_indicators')) }}
