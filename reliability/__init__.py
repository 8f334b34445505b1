"""The proofs behind the promises: faults, load, soak, hostile input and a denied network, each tried and counted.

Each proof is a module that runs by itself (``python -m reliability.NAME``), prints what it found, ends with exit code 1
where a promise was broken, and with ``--write`` puts its figures into docs/reliability.md. Nothing in ``city_index``
needs what stands here.
"""
