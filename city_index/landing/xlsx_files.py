"""Reading the first sheet of an XLSX workbook, row by row."""

from __future__ import annotations

import csv
import re
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

from city_index.landing.csv_files import Taken, UnreadableFile

# A workbook is compressed: what it unpacks to is bounded too. A full sheet of eight columns unpacks to less.
MAX_UNPACKED_BYTES = 1 << 30

# The rows of a sheet, and how they are written.
MAX_ROWS = 1 << 20
_ROW_TAG = re.compile(rb"<(?:\w+:)?row[\s/>][^>]*>?")
_ROW_NUMBER = re.compile(rb"""\br\s*=\s*["']\s*(\d+)""")

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
                _check_row_numbers(path, sheet._worksheet_path)
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


def _check_row_numbers(path: Path, member: str) -> None:
    """See that the rows of a sheet stand in their order, for the reader passes over one that does not.

    Raises:
        UnreadableFile: they do not, or one stands beyond the last row that a sheet has.
    """
    last, rest = 0, b""
    with zipfile.ZipFile(path) as archive, archive.open(member.lstrip("/")) as stream:
        while chunk := stream.read(1 << 20):
            data = rest + chunk
            cut = data.rfind(b"<")  # a tag may straddle two parts
            data, rest = (data[:cut], data[cut:]) if cut > 0 else (data, b"")
            last = _last_row_number(data, last)
    _last_row_number(rest, last)


def _last_row_number(data: bytes, last: int) -> int:
    for tag in _ROW_TAG.finditer(data):
        number = _ROW_NUMBER.search(tag.group())
        row_number = int(number.group(1)) if number else last + 1
        if not last < row_number <= MAX_ROWS:
            raise UnreadableFile(
                "rows out of order", f"row {row_number} of the first sheet follows row {last}; save the workbook anew"
            )
        last = row_number
    return last


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
