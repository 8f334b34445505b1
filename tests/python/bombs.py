"""Small files that claim or unpack to far more than they weigh: workbooks and Parquet files for tests of the bounds."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_LAUGHS = '<!DOCTYPE sst [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + number)} "{f"&{chr(97 + number)};" * 10}">' for number in range(9)
)

ROWS = '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row><row r="2"><c r="A2"><v>1</v></c></row>'


def parts(rows: str = ROWS, shared: str = "", styles: str = "", around: str = "") -> dict[str, bytes]:
    """The parts of a small workbook by name; its sheet holds ``rows``, and ``around`` stands after them."""
    override = '<Override PartName="/xl/{}.xml" ContentType="application/vnd.openxmlformats-officedocument.{}+xml"/>'
    named = {
        "workbook": "spreadsheetml.sheet.main",
        "worksheets/sheet1": "spreadsheetml.worksheet",
        "sharedStrings": "spreadsheetml.sharedStrings",
        "styles": "spreadsheetml.styles",
    }
    texts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        + "".join(override.format(*item) for item in named.items())
        + "</Types>",
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
        '<sheets><sheet name="s" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData>{around}</worksheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}">{shared}</sst>',
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}">{styles}</styleSheet>',
    }
    return {name: text.encode() for name, text in texts.items()}


def packed(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Parts as an archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _with_document_type(members: dict[str, bytes], name: str, encoding: str = "utf-8") -> bytes:
    text = members[name].decode()
    declared = f'<?xml version="1.0" encoding="{encoding}"?>'
    return packed({**members, name: (declared + _LAUGHS + "]>" + text.replace(">a<", ">&j;<")).encode(encoding)})


def _claiming(size: int) -> bytes:
    data = bytearray(packed({**parts(), "xl/z": b"x"}))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", size)
    return bytes(data)


def _long_directory() -> bytes:
    entry = b"PK\x01\x02" + bytes(24) + struct.pack("<H", 4) + bytes(16) + b"name"
    count = 100_000
    ending = b"PK\x05\x06" + bytes(4) + struct.pack("<HHIIH", 0xFFFF, 0xFFFF, len(entry) * count, 0, 0)
    return entry * count + ending


def _row(cells: str, number: int = 2) -> str:
    return f'<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row><row r="{number}">{cells}</row>'


# By what is wrong with it: how to make the workbook, and the reason that its refusal begins with.
WORKBOOKS: dict[str, tuple[Callable[[], bytes], str]] = {
    "one entry of two gigabytes": (lambda: _claiming(1 << 31), "too large"),
    "twenty megabytes of nothing": (lambda: packed({**parts(), "xl/media/a.png": bytes(20 << 20)}), "too large"),
    "ten thousand entries": (lambda: packed({**parts(), **{f"x{n}": b"" for n in range(10_000)}}), "too large"),
    "a directory of four megabytes": (_long_directory, "too large"),
    "packed with bzip2": (lambda: packed(parts(), zipfile.ZIP_BZIP2), "not an XLSX file"),
    "entities in the sheet": (lambda: _with_document_type(parts(), "xl/worksheets/sheet1.xml"), "not an XLSX file"),
    "entities in UTF-16": (
        lambda: _with_document_type(parts(), "xl/worksheets/sheet1.xml", "utf-16"),
        "not an XLSX file",
    ),
    "entities in the shared texts": (
        lambda: _with_document_type(parts(shared="<si><t>a</t></si>"), "xl/sharedStrings.xml"),
        "not an XLSX file",
    ),
    "entities in the workbook": (lambda: _with_document_type(parts(), "xl/workbook.xml"), "not an XLSX file"),
    "a row of a million cells": (lambda: packed(parts(_row("<c/>" * 1_000_000))), "too large"),
    "a row of forty megabytes": (
        lambda: packed(parts(_row(f'<c r="A2" t="inlineStr"><is><t>{"xy" * (20 << 20)}</t></is></c>'))),
        "too large",
    ),
    "rows within rows": (lambda: packed(parts(_row('<row r="3"><c/></row>'))), "too large"),
    "half a million merged cells": (
        lambda: packed(parts(around=f"<mergeCells>{'<mergeCell/>' * 500_000}</mergeCells>")),
        "too large",
    ),
    "a thousand elements deep": (lambda: packed(parts(around="<a>" * 1000 + "</a>" * 1000)), "too large"),
    "more rows than a sheet has": (lambda: packed(parts("<row/>" * ((1 << 20) + 1))), "too large"),
    "a row beyond the last": (lambda: packed(parts(_row("<c><v>1</v></c>", 1 << 21))), "rows out of order"),
    "more than two million texts": (lambda: packed(parts(shared="<si/>" * ((1 << 21) + 1))), "too large"),
    "a number format without end": (
        lambda: packed(
            parts(styles=f'<numFmts count="1"><numFmt numFmtId="164" formatCode="{"[" * 100_000}"/></numFmts>')
        ),
        "too large",
    ),
    "half a million styles": (lambda: packed(parts(styles=f"<cellXfs>{'<xf/>' * 500_000}</cellXfs>")), "too large"),
}


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def parquet(query: str) -> bytes:
    """The rows of a query as a Parquet file."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder) / "x.parquet"
        connection.execute(f"copy ({query}) to '{path}' (format parquet)")
        return path.read_bytes()


def with_footer(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A Parquet file with another footer."""
    length = struct.unpack("<I", data[-8:-4])[0]
    footer = change(data[-8 - length : -8])
    return data[: -8 - length] + footer + struct.pack("<I", len(footer)) + b"PAR1"


def _plain() -> bytes:
    return parquet("select 'x' as a, number as b from range(10) as numbers (number)")


def _claiming_columns(count: int) -> bytes:
    # Field 2, the list of columns, comes right after field 1; 12 is a list of structs, 15 a count of its own.
    def change(footer: bytes) -> bytes:
        at = footer.index(b"\x19")
        return footer[: at + 1] + b"\xfc" + _varint(count) + footer[at + 2 :]

    return with_footer(_plain(), change)


def _claiming_rows(count: int) -> bytes:
    # Field 3 is the count of rows, and that of the only row group: both say the same.
    return with_footer(_plain(), lambda footer: footer.replace(b"\x16\x14", b"\x16" + _varint(count * 2)))


def _claiming_page(size: int) -> bytes:
    """A file whose first page claims to unpack to so many bytes."""
    data = _plain()
    # A page header: field 1 its type, field 2 what it unpacks to, field 3 what it is packed to.
    at = data.index(b"\x15", 4) + 2
    assert data[at] == 0x15
    end = at + 1
    while data[end] > 127:
        end += 1
    longer = _varint(size * 2)
    grown = len(longer) - (end - at)
    moved = data[: at + 1] + longer + data[end + 1 :]
    assert grown > 0
    return moved


PARQUET_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "two thousand million columns": (lambda: _claiming_columns((1 << 31) - 1), "too large"),
    "ten million columns": (lambda: _claiming_columns(10_000_000), "too large"),
    "a thousand columns more": (
        lambda: parquet("select " + ", ".join(f"1 as c{n}" for n in range(1001))),
        "too large",
    ),
    "a thousand million rows": (lambda: _claiming_rows(10**9), "too large"),
    "a page of a gigabyte": (lambda: _claiming_page(1 << 30), "too large"),
    "a footer of four gigabytes": (lambda: b"PAR1" + bytes(100) + b"\xff\xff\xff\xffPAR1", "too large"),
    "a footer longer than the file": (
        lambda: b"PAR1" + bytes(100) + b"\0\0\1\0PAR1",
        "not a Parquet file",
    ),
    "a footer nested without end": (
        lambda: with_footer(_plain(), lambda _footer: b"\x1c" * 5000),
        "not a Parquet file",
    ),
    "an encrypted footer": (lambda: _plain()[:-4] + b"PARE", "not a Parquet file"),
    "lists": (lambda: parquet("select range(1000) as a from range(10)"), "nested column"),
    "structures": (lambda: parquet("select {'a': 1} as a from range(10)"), "nested column"),
}
