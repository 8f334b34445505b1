"""The quality gates that Great Expectations keeps: on the raw inputs and on the marts.

What belongs here: claims that dbt's tests do not make. Keys, relations and accepted values within the warehouse are
dbt's; what arrives from outside, distributions, and movement against the last release are the gates'.
"""
