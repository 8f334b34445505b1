"""Hostile input: landed files, framework trees, settings and arguments that nobody means, and some do.

What belongs here: making them, putting them to the product as users do, and counting. What the product promises of
them is said once, in docs/reliability.md; a case that breaks a promise is written out, so that it can be tried again.

``python -m reliability.fuzz`` runs all of it.
"""
