{{ parent_scores(child_scores=ref('int_tertiary_scores')) }}
