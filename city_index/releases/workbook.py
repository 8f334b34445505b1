"""The workbook of a release: every published table as a sheet that says what its table says.

What a sheet cannot hold exactly stands as text, as it stands in the CSV; text stays text. The rules for readers are in
docs/exports.md. Rows go from DuckDB to the file in batches, so memory does not grow with the tables, and the same
release gives the same bytes.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from city_index.database import identifier
from city_index.releases.contents import Contents, Standing, Table
from city_index.releases.manifest import Manifest
from city_index.spreadsheets import FORMULA

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

# What a sheet holds at most. Text is counted in UTF-16 units, as Excel counts it.
SHEET_ROWS = 1_048_576
SHEET_COLUMNS = 16_384
TEXT_UNITS = 32_767
_NAME_CHARACTERS = 31

ABOUT = "about"
CODEBOOK = "codebook"

_BATCH_ROWS = 1_000
_LEAST_WIDTH, _GREATEST_WIDTH = 8, 60
_SAMPLED_ROWS = 200

# Whole numbers beyond this are not all doubles, and a sheet has nothing but doubles.
_GREATEST_WHOLE = 2**53
_WHOLE_TYPES = {
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
}

# The calendar of spreadsheets is right from March 1900 on: before, it has a 29 February that never was.
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,3})?")
_FIRST_DATE = "1900-03-01"

# Text that a spreadsheet would take for something else as soon as somebody edits its cell.
_TAKEN_FOR_ANOTHER = re.compile(rf"{FORMULA}|['\d.]")

_NOTICED = "#C55A11"
_HEADER_FILL = "#DDEBF7"

_RULES = (
    "Values are those of the table to the last digit; a cell may show fewer. An empty cell is a missing value.",
    "What a sheet cannot hold exactly stands as text: whole numbers beyond 2^53, dates before March 1900, times finer "
    "than a millisecond, numbers that are not finite or too small.",
    "Text is never a formula, a number or a link. Text longer than 32,767 characters is cut, with a mark at its end.",
    "An orange tab marks a sheet of which something must be said: it stands in the list below, and on top of the "
    "sheet's printed pages.",
)

_Writer = Callable[[int, int, Any], object]


class _Exactly(float):
    """A number that XlsxWriter writes with all its digits: of a plain one it writes sixteen, some need seventeen."""

    __slots__ = ()

    def __format__(self, _specification: str) -> str:
        return float.__repr__(self)


@dataclass(frozen=True)
class _Formats:
    header: Format
    title: Format
    wrapped: Format
    notice: Format
    day: Format
    time: Format
    quoted: Format


def write_workbook(
    path: Path, connection: duckdb.DuckDBPyConnection, contents: Contents, manifest: Manifest, workbook_rows: int
) -> None:
    """Write the workbook of a release.

    Args:
        path: the file.
        connection: the database of the release, in use.
        contents: what the release holds.
        manifest: the manifest of the release.
        workbook_rows: the most rows that a table may have to get a sheet; longer ones are named as left out.
    """
    import xlsxwriter

    built_at = datetime.fromisoformat(manifest.built_at_utc).replace(tzinfo=None)
    names = sheet_names(table.name for table in contents.tables)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
        workbook = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": scratch})
        workbook.use_zip64()
        workbook.set_properties(
            {
                "title": f"City Index, release {manifest.release_id}",
                "comments": manifest.notice,
                "author": "City Index",
                "created": built_at,
            }
        )
        formats = _formats(workbook)
        about = workbook.add_worksheet(ABOUT)
        _write_codebook(workbook.add_worksheet(CODEBOOK), formats, contents)
        left_out = {}
        for table in contents.tables:
            reason = _reason_to_leave_out(table, workbook_rows)
            if reason:
                left_out[table.name] = reason
            else:
                sheet = workbook.add_worksheet(names[table.name])
                _write_table(sheet, formats, connection, table, manifest.release_id)
        _write_about(about, formats, contents, manifest, names, left_out)
        workbook.close()


def sheet_names(tables: Iterable[str]) -> dict[str, str]:
    """The name of each table's sheet: its own, cut and numbered where a sheet cannot have that.

    Names of sheets are at most 31 characters long and differ by more than the case of their letters.
    """
    taken = {ABOUT, CODEBOOK, "history"}
    names = {}
    for table in tables:
        plain = re.sub(r"[\[\]:*?/\\']", "_", table)
        name, number = plain[:_NAME_CHARACTERS], 1
        while name.lower() in taken:
            number += 1
            ending = f"~{number}"
            name = plain[: _NAME_CHARACTERS - len(ending)] + ending
        taken.add(name.lower())
        names[table] = name
    return names


def fitted(text: str) -> str:
    """Text as a cell can hold it: whole, or cut with a mark that says how long it is."""
    units = text.encode("utf-16-le")
    if len(units) <= 2 * TEXT_UNITS:
        return text
    mark = f"… [cut; all {len(text)} characters stand in the CSV and Parquet file]"
    # A character of two units that the cut would halve is left out.
    return units[: 2 * (TEXT_UNITS - len(mark))].decode("utf-16-le", "ignore") + mark


def _reason_to_leave_out(table: Table, workbook_rows: int) -> str | None:
    rows = min(workbook_rows, SHEET_ROWS - 1)
    if table.row_count > rows:
        reason = f"more than {rows} rows"
    elif len(table.columns) > SHEET_COLUMNS:
        reason = f"more than {SHEET_COLUMNS} columns"
    else:
        return None
    return f"left out: {reason}; see csv/{table.name}.csv or parquet/{table.name}.parquet"


def _formats(workbook: Workbook) -> _Formats:
    return _Formats(
        header=workbook.add_format({"bold": True, "bg_color": _HEADER_FILL, "bottom": 1}),
        title=workbook.add_format({"bold": True, "font_size": 14}),
        wrapped=workbook.add_format({"text_wrap": True, "valign": "top"}),
        notice=workbook.add_format({"text_wrap": True, "valign": "top", "bold": True, "font_color": _NOTICED}),
        day=workbook.add_format({"num_format": "yyyy-mm-dd"}),
        time=workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        quoted=workbook.add_format({"quote_prefix": True}),
    )


def _write_table(
    sheet: Worksheet, formats: _Formats, connection: duckdb.DuckDBPyConnection, table: Table, release_id: str
) -> None:
    for number, column in enumerate(table.columns):
        sheet.write_string(0, number, column.name, formats.header)
    writers = [_writer(sheet, formats, column.data_type) for column in table.columns]
    columns = ", ".join(_expression(column.name, column.data_type) for column in table.columns)
    order_by = f" order by {', '.join(map(identifier, table.key))}" if table.key else ""
    connection.execute(f"select {columns} from {identifier(table.name)}{order_by}")
    row_number = 0
    while batch := connection.fetchmany(_BATCH_ROWS):
        if row_number == 0:
            _set_widths(sheet, [column.name for column in table.columns], batch)
        for row in batch:
            row_number += 1
            for number, value in enumerate(row):
                if value is not None:
                    writers[number](row_number, number, value)
    if row_number == 0:
        _set_widths(sheet, [column.name for column in table.columns], [])
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, row_number, len(table.columns) - 1)
    sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{SHEET_ROWS}"})
    _set_page(sheet, table.standing, release_id)
    if table.standing.sentences():
        sheet.set_tab_color(_NOTICED)


def _set_page(sheet: Worksheet, standing: Standing, release_id: str) -> None:
    """What stands on every printed page; the rows of the sheet stay those of the table."""
    sheet.set_landscape()
    sheet.repeat_rows(0)
    # A header holds 255 characters: the three sentences together have fewer.
    sheet.set_header("&L&A&R" + " ".join(standing.sentences()).replace("&", "&&"))
    sheet.set_footer(f"&L{release_id}&R&P / &N")


def _expression(name: str, data_type: str) -> str:
    """A column as it is fetched: days and times as text, because Python knows fewer of them than DuckDB."""
    is_taken_as_it_is = data_type in ({"BOOLEAN", "VARCHAR", "DOUBLE", "FLOAT"} | _WHOLE_TYPES)
    if is_taken_as_it_is or data_type.startswith("DECIMAL("):
        return identifier(name)
    return f"cast({identifier(name)} as varchar)"


def _writer(sheet: Worksheet, formats: _Formats, data_type: str) -> _Writer:
    """What writes a value of a type into a cell."""
    text = _text_writer(sheet, formats)
    if data_type == "BOOLEAN":
        return sheet.write_boolean
    if data_type in _WHOLE_TYPES:
        return lambda row, column, value: (
            sheet.write_number(row, column, value) if abs(value) <= _GREATEST_WHOLE else text(row, column, str(value))
        )
    if data_type in ("DOUBLE", "FLOAT"):
        # Spreadsheets read numbers below the least normal one as 0.
        return lambda row, column, value: (
            sheet.write_number(row, column, _Exactly(value))
            if value == 0 or sys.float_info.min <= abs(value) <= sys.float_info.max
            else text(row, column, str(value))
        )
    if data_type.startswith("DECIMAL("):
        return lambda row, column, value: (
            sheet.write_number(row, column, _Exactly(value))
            if Decimal(repr(float(value))) == value
            else text(row, column, f"{value:f}")
        )
    if data_type == "DATE":
        return lambda row, column, value: (
            sheet.write_datetime(row, column, date.fromisoformat(value), formats.day)
            if _DATE.fullmatch(value) and value >= _FIRST_DATE
            else text(row, column, value)
        )
    if data_type.startswith("TIMESTAMP") and "TIME ZONE" not in data_type:
        return lambda row, column, value: (
            sheet.write_datetime(row, column, datetime.fromisoformat(value), formats.time)
            if _TIME.fullmatch(value) and value >= _FIRST_DATE
            else text(row, column, value)
        )
    return text


def _text_writer(sheet: Worksheet, formats: _Formats) -> _Writer:
    def write(row: int, column: int, value: str) -> None:
        if len(value) > TEXT_UNITS // 2:
            value = fitted(value)
        if value.startswith("<r>") and value.endswith("</r>"):
            # XlsxWriter would take this for rich text of its own and write it without escapes; in parts it does not.
            sheet.write_rich_string(row, column, "<", "r", value[2:])
        elif _TAKEN_FOR_ANOTHER.match(value):
            sheet.write_string(row, column, value, formats.quoted)
        else:
            sheet.write_string(row, column, value)

    return write


def _set_widths(sheet: Worksheet, names: list[str], rows: list[tuple]) -> None:
    """Make columns wide enough for their name, the filter's button, and most of what stands in the first rows."""
    for number, name in enumerate(names):
        widths = [_width(row[number]) for row in rows[:_SAMPLED_ROWS] if row[number] is not None]
        sheet.set_column(number, number, min(max([_LEAST_WIDTH, len(name) + 3, *widths]), _GREATEST_WIDTH))


def _width(value: object) -> int:
    text = f"{value:.9g}" if isinstance(value, float) else str(value)[:_GREATEST_WIDTH]
    # Chinese characters have three bytes and take the room of two.
    return (len(text) + len(text.encode())) // 2 + 1


def _write_codebook(sheet: Worksheet, formats: _Formats, contents: Contents) -> None:
    text = _text_writer(sheet, formats)
    for number, (name, width) in enumerate(
        [("table", 30), ("column", 30), ("type", 14), ("is_key", 9), ("is_nullable", 13), ("description", 120)]
    ):
        sheet.write_string(0, number, name, formats.header)
        sheet.set_column(number, number, width)
    described = [(table, column) for table in contents.tables for column in table.columns]
    for row, (table, column) in enumerate(described[: SHEET_ROWS - 1], start=1):
        text(row, 0, table.name)
        text(row, 1, column.name)
        text(row, 2, column.data_type)
        sheet.write_boolean(row, 3, column.is_key)
        sheet.write_boolean(row, 4, column.is_nullable)
        text(row, 5, column.description)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(len(described), 1), 5)


def _write_about(
    sheet: Worksheet,
    formats: _Formats,
    contents: Contents,
    manifest: Manifest,
    names: dict[str, str],
    left_out: dict[str, str],
) -> None:
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 1, 100)
    sheet.set_column(2, 2, 10)
    sheet.set_column(3, 3, 60)
    sheet.write_string(0, 0, "City Index", formats.title)
    row = 1
    for label, value, is_notice in _about_lines(contents, manifest):
        sheet.write_string(row, 0, label)
        sheet.write_string(row, 1, fitted(value), formats.notice if is_notice else formats.wrapped)
        row += 1
    row += 1
    for number, name in enumerate(("sheet", "what a row is", "rows", "to be said of it")):
        sheet.write_string(row, number, name, formats.header)
    for table in contents.tables:
        row += 1
        if table.name in left_out:
            sheet.write_string(row, 0, fitted(table.name))
        else:
            sheet.write_url(row, 0, f"internal:'{names[table.name]}'!A1", string=names[table.name])
        description = f"{table.description} [{left_out[table.name]}]" if table.name in left_out else table.description
        sheet.write_string(row, 1, fitted(description), formats.wrapped)
        sheet.write_number(row, 2, table.row_count)
        sheet.write_string(row, 3, " ".join(table.standing.sentences()), formats.wrapped)


def _about_lines(contents: Contents, manifest: Manifest) -> list[tuple[str, str, bool]]:
    """The lines above the list of sheets: label, text, and whether it is a notice."""
    lines = [
        ("release", manifest.release_id, False),
        ("built, UTC", manifest.built_at_utc, False),
        ("code version", manifest.code_version, False),
        ("content hash", manifest.content_hash, False),
        (
            "what this is",
            "The published tables of one release, a sheet for each. The sheet codebook describes every column. "
            "csv/ and parquet/ hold the same tables, manifest.json the SHA-256 of every file; docs/exports.md of the "
            "project has the rules of this workbook.",
            False,
        ),
        ("citing and rights", "CITATION.cff and LICENCE.md stand beside this file.", False),
    ]
    for edition in contents.editions:
        lines.append((f"index {edition}", edition.title, False))
        if edition.publisher:
            lines.append(("assessment published by", edition.publisher, False))
        if edition.notice:
            lines.append(("notice", edition.notice, True))
    return lines + [("rule", rule, False) for rule in _RULES]
