"""Reading the first sheet of an XLSX workbook, row by row."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from city_index.landing.csv_files import MAX_RECORD_BYTES, Taken, UnreadableFile
from city_index.landing.xlsx_bounds import MAX_COLUMNS, MAX_UNPACKED_BYTES, BoundedArchive, bounded_archive

if TYPE_CHECKING:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet


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
        with warnings.catch_warnings(), bounded_archive(path) as (archive, stream):
            warnings.simplefilter("ignore")
            sheet = _first_sheet(archive, stream)
            archive.check_order(sheet._worksheet_path)
            # What a sheet says of its own size may be wrong, and then rows would be cut short.
            sheet.reset_dimensions()
            blank = None
            for row_number, row in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), start=1):
                # The rows between two that are there, maybe a million, are one and the same object.
                if row is blank:
                    continue
                if row.count(None) == len(row):
                    blank = row
                    continue
                texts = [cell_text(value) for value in row]
                if any(texts):
                    yield row_number, texts
    except UnreadableFile:
        raise
    except Exception as error:
        # Whatever a damaged or encrypted workbook makes the libraries raise.
        raise UnreadableFile(
            "not an XLSX file", f"it cannot be opened ({type(error).__name__}); save it as an XLSX workbook"
        ) from None


def _first_sheet(archive: BoundedArchive, stream: BinaryIO) -> ReadOnlyWorksheet:
    """The first sheet that has cells; nothing else of the workbook is opened, and no link to another is followed.

    Raises:
        UnreadableFile: there is none.
    """
    from openpyxl.reader.excel import ExcelReader
    from openpyxl.styles.stylesheet import apply_stylesheet
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

    reader = ExcelReader(stream, read_only=True, data_only=True, keep_links=False)
    reader.archive = archive
    reader.read_manifest()
    reader.read_strings()
    reader.read_workbook()
    apply_stylesheet(archive, reader.wb)
    for sheet, relation in reader.parser.find_sheets():
        if relation.target in reader.valid_files and "chartsheet" not in relation.Type:
            return ReadOnlyWorksheet(reader.wb, sheet.name, relation.target, reader.shared_strings)
    raise UnreadableFile("empty file", "the workbook has no sheet; put header and rows into the first")


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
        written = 0
        for row_number, texts in rows_of_sheet:
            # Cells that share a text cost nothing in the workbook, and their whole length here.
            written += sum(map(len, texts))
            if written > MAX_UNPACKED_BYTES:
                raise UnreadableFile(
                    "too large",
                    f"its cells hold more than {MAX_UNPACKED_BYTES:,} characters; save it as CSV, or split it",
                )
            is_too_long = _is_too_long(texts)
            if is_too_long or any(texts[width:]):
                taken.malformed += 1
                fault = f"a value stands beyond the {width} columns of the header"
                if is_too_long:
                    fault = f"the row is longer than {MAX_RECORD_BYTES:,} bytes"
                faults.writerow([row_number, fault, _cut(",".join(texts))])
            else:
                taken.rows += 1
                good.writerow([row_number, *texts[:width], *[""] * (width - len(texts))])
    return taken


def _is_too_long(texts: list[str]) -> bool:
    """Whether a row is longer than a row of a CSV file may be."""
    if sum(map(len, texts)) <= MAX_RECORD_BYTES // 4:
        return False
    return sum(len(text.encode("utf-8", "backslashreplace")) for text in texts) > MAX_RECORD_BYTES


def _cut(text: str) -> str:
    return text if len(text) <= MAX_RECORD_BYTES // 4 else f"{text[: MAX_RECORD_BYTES // 4]} ... (cut off)"
