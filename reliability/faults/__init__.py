"""The faults that no process chooses: disks, folders, damaged files, clocks, Dagster, rivals and readers.

What belongs here: one case for each fault, tried on homes of its own. What must hold after each of them stands in
``reliability.invariants``; processes that are killed at a chosen point are tried by ``reliability.kills``.
"""
