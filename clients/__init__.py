"""Real BI clients against a published release, each in an environment of its own.

What belongs here: what opens the published files as a reader would, and says what it found. What does not: tests that
run in continuous integration (they install nothing), and anything that ``city_index/`` needs.
"""
