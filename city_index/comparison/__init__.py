"""Two releases compared: which scores and ranks moved between them, and why.

What belongs here: choosing the two sides (``sides``), reading two databases that may not have the same tables
(``tables``), what was decided otherwise (``choices``), what moved and why (``effects``), and the whole as data
(``compare``). What does not: printing, pages, and any formula of the index; all that is compared is what the two sides
publish.
"""
