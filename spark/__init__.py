"""The same dbt models on Spark: ``make spark``, docs/spark.md.

What belongs here: building the warehouse on Spark beside DuckDB, holding the two against each other, and saying what a
cluster would take. What does not: anything that ``city_index/`` needs, and SQL: what Spark says in its own way stands
in ``macros/spark/``.

``generated``: an index of any size. ``inputs``: raw rows as Parquet. ``engines``: the two builds. ``dbt``: the process
that dbt and Spark share, the only part that runs in ``.venv-spark``. ``parity``: every table of one against the other.
``sizing``: growth, measured and extrapolated.
"""
