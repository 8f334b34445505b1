"""``python -m city_index`` is the console script."""

from city_index.cli import main

main()
