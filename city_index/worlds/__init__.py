"""Many worlds: an index scored again under other weights and methods, to say how sure a rank is.

What belongs here: numbers only, in numpy, for thousands of worlds at once. What does not: reading a warehouse, naming
what a release publishes, printing. Everything is reproduced to the last bit by its seed, whatever the batches and
however many threads the linear algebra takes.

``tree``: an index and its scores. ``ranking``: who stands where. ``draws``: worlds, and how sure ranks are in them.
``gathering``: what ranks come to. ``sensitivity``: which choice moves the ranks. ``batches``: how many worlds at once.
"""
