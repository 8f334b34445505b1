"""The workbook of a release, read by openpyxl."""

from __future__ import annotations

import openpyxl

from clients.readers.releases import folder, row_counts
from clients.readers.saying import say


def main() -> None:
    """Count the rows of each sheet that is a table."""
    published = folder()
    counts = row_counts(published)
    workbook = openpyxl.load_workbook(published / "city_index.xlsx", read_only=True)
    read = {
        name: sum(1 for _row in workbook[name].iter_rows(values_only=True)) - 1
        for name in workbook.sheetnames
        if name in counts
    }
    wrong = {name: rows for name, rows in read.items() if rows != counts[name]}
    say(
        "reads every sheet of the workbook with the rows of its table",
        read and not wrong,
        wrong or f"{len(read)} sheets",
    )
    left_out = sorted(set(counts) - set(read))
    say(
        "finds the ranking among the sheets",
        "rpt_city_index" in read,
        f"without a sheet: {', '.join(left_out) or 'none'}",
    )


if __name__ == "__main__":
    main()
