"""The metrics of ``models/semantic`` asked through MetricFlow, and proof that the answers are the published figures.

What belongs here: what runs in the environment that `make metrics` sets up, which has MetricFlow and is not the
project's own. What a metric is stands in ``models/semantic/metrics.yml``; nothing of the project needs this folder.
"""
