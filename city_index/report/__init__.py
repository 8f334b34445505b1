"""The report site of a release: pages that open from disk and show what the published tables hold.

What belongs here: reading the published tables, drawing charts and laying out pages. What does not: computing a score,
a rank or an interval; what a page shows stands in a published table.
"""
