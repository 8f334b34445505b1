"""How many rows a file holds, counted by readers that the landing door does not use; where they cannot tell, none."""

from __future__ import annotations

import csv
import io
import re
import tempfile
import warnings
from pathlib import Path

import duckdb

# A quote in the middle of a field that is not quoted: readers differ about what it opens.
_STRAY_QUOTE = re.compile(r'(?<![,\n"])"(?![,\n"])|[^,\n"]"$', re.MULTILINE)

# Longer records are taken for an open quote.
_MOST_LINES, _MOST_BYTES = 90, 1 << 19


def row_count(suffix: str, content: bytes) -> int | None:
    """The rows of a file below its header; None where no other reader can say it for certain."""
    return {".csv": _csv_rows, ".parquet": _parquet_rows, ".xlsx": _xlsx_rows}[suffix](content)


def _csv_rows(content: bytes) -> int | None:
    if b"\0" in content or b"\r" in content.replace(b"\r\n", b"\n"):
        return None
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding).replace("\r\n", "\n")
            break
        except UnicodeDecodeError:
            continue
    else:
        return None
    if '"' in text and _STRAY_QUOTE.search(text):
        return None
    before = csv.field_size_limit(1 << 30)
    try:
        found = 0
        for record in csv.reader(io.StringIO(text, newline=""), strict=True):
            if sum(field.count("\n") for field in record) > _MOST_LINES or sum(map(len, record)) > _MOST_BYTES:
                return None
            found += bool(record)
    except csv.Error:
        return None
    finally:
        csv.field_size_limit(before)
    return max(found - 1, 0)


def _parquet_rows(content: bytes) -> int | None:
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder) / "x.parquet"
        path.write_bytes(content)
        try:
            return len(connection.execute(f"select 1 from read_parquet('{path}')").fetchall())
        except duckdb.Error:
            return None


def _xlsx_rows(content: bytes) -> int | None:
    import openpyxl

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Not the reader that streams, which the door uses.
            workbook = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
        sheet = workbook.worksheets[0]
        if sheet.max_row * sheet.max_column > 1_000_000:
            return None
        found = sum(any(value not in (None, "") for value in row) for row in sheet.iter_rows(values_only=True))
    except Exception:
        return None
    return max(found - 1, 0)
