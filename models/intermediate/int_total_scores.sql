{{ parent_scores(child_scores=ref('int_primary_scores')) }}
