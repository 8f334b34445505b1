"""The Dagster wiring of City Index: which asset runs after which, when, and what happens on failure.

The work itself is in ``city_index``; nothing outside this package imports Dagster.
"""
