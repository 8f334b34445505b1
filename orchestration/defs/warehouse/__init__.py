"""The warehouse: dbt's seeds and models as assets, its data tests as checks."""
