"""Scripts that read a published release, each run by the Python of a client's own environment.

What belongs here: one script for each way of reading, with the folder ``published/`` as its argument. They import
nothing of the project but ``saying`` and ``releases``: its packages are not in their environments.
"""
