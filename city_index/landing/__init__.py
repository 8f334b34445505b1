"""The landing door: files that users drop become batches of accepted and of quarantined rows.

Nothing enters the warehouse but through here or the seeds. A file is staged as text, every row is judged against its
kind's contract, and the batch is committed as a whole: accepted rows to ``raw/``, refused ones with their reasons to
``quarantine/``. Accepted + quarantined = received, always.
"""
