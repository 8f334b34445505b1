"""Reading the first sheet of an XLSX workbook, row by row."""

from __future__ import annotations

import csv
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

from city_index.landing.csv_files import Taken, UnreadableFile

# A workbook is compressed: what it unpacks to is bounded too. A full sheet of eight columns unpacks to less.
MAX_UNPACKED_BYTES = 1 << 30

# A sheet that claims to be wider than this is not one of ours, and reading it would cost a cell for each column.
_MAX_COLUMNS = 1000


def cell_text(value: Any) -> str:
    """A cell's value as the text that a CSV file would hold."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value).replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\\x00")


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of the first sheet that hold anything, with their row number."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > MAX_UNPACKED_BYTES:
            raise UnreadableFile(
                "too large", f"the workbook unpacks to {unpacked:,} bytes; save it as CSV, or split it"
            )
        import openpyxl

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
            try:
                if not workbook.worksheets:
                    raise UnreadableFile("empty file", "the workbook has no sheet; put header and rows into the first")
                sheet = workbook.worksheets[0]
                # What a sheet says of its own size may be wrong, and then rows would be cut short.
                sheet.reset_dimensions()
                for row_number, row in enumerate(sheet.iter_rows(max_col=_MAX_COLUMNS, values_only=True), start=1):
                    if len(row) >= _MAX_COLUMNS and row[-1] is not None:
                        raise UnreadableFile("too wide", f"row {row_number} has {_MAX_COLUMNS} columns or more")
                    texts = [cell_text(value) for value in row]
                    if any(texts):
                        yield row_number, texts
            finally:
                workbook.close()
    except UnreadableFile:
        raise
    except Exception as error:
        # Whatever a damaged or encrypted workbook makes the libraries raise.
        raise UnreadableFile(
            "not an XLSX file", f"it cannot be opened ({type(error).__name__}); save it as an XLSX workbook"
        ) from None


def read_header(path: Path) -> list[str]:
    """The column names of the first sheet, without white space around them.

    Raises:
        UnreadableFile: it has none.
    """
    for _row_number, texts in _rows(path):
        while texts and not texts[-1].strip():
            texts.pop()
        return [text.strip() for text in texts]
    raise UnreadableFile("empty file", "the first sheet holds nothing; put header and rows into it")


def take_apart(path: Path, width: int, rows_to: Path, malformed_to: Path) -> Taken:
    """Write each row of the first sheet to one of two CSV files, as ``csv_files.take_apart`` does."""
    taken = Taken()
    with (
        rows_to.open("w", encoding="utf-8", newline="", errors="backslashreplace") as rows,
        malformed_to.open("w", encoding="utf-8", newline="", errors="backslashreplace") as malformed,
    ):
        good = csv.writer(rows, quoting=csv.QUOTE_ALL, lineterminator="\n")
        faults = csv.writer(malformed, quoting=csv.QUOTE_ALL, lineterminator="\n")
        rows_of_sheet = _rows(path)
        next(rows_of_sheet, None)  # the header
        for row_number, texts in rows_of_sheet:
            if any(texts[width:]):
                taken.malformed += 1
                fault = f"a value stands beyond the {width} columns of the header"
                faults.writerow([row_number, fault, ",".join(texts)])
            else:
                taken.rows += 1
                good.writerow([row_number, *texts[:width], *[""] * (width - len(texts))])
    return taken
