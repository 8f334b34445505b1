"""Tables that nobody should send, and their files in every format: what hypothesis draws for the landing door.

What belongs here: drawing headers and cells, and writing them as CSV, XLSX and Parquet. Files that are damaged as bytes
are ``mutations``'s.
"""

from __future__ import annotations

import csv
import io
import tempfile
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import duckdb
from hypothesis import strategies as st

from city_index.contracts import KINDS, contracts
from city_index.settings import PROJECT_DIRECTORY
from reliability.fuzz.trees import ROOT, node

FORMATS = ("csv utf-8", "csv utf-8 with mark", "csv gb18030", "parquet", "xlsx")

Rows = list[list[str]]

_SEED_ROWS = 40
_MANY_COLUMNS = 200

_NUMBERS = (
    "0", "-0", "1", "100", "100.0", "1e2", "1E+2", "１００", "－１", "１．５", "+5", " 5 ", "5.", ".5", "1,000",
    "1_000", "0x10", "1e308", "1e309", "-1e309", "1e-400", "9" * 400, "0." + "0" * 400 + "1", "nan", "NaN", "inf",
    "-Infinity", "½", "Ⅳ", "٣", "1\u00a0000", "--1", "1e", "e5", "1.2.3", "true", "#DIV/0!", "=1+1", "1%",
    "100\u200b", "\u2212" + "1", "1d", "1f",
)  # fmt: skip
_DATES = (
    "2021-03-05", "2021/3/5", "2021年3月5日", "2021-02-30", "2021-13-01", "0000-00-00", "9999-12-31",
    "2021-03-05 00:00:00", "2021-03-05T00:00:00Z", "05.03.2021", "44260", "-44260", "1e10", "２０２１-０３-０５",
    "2021-3-5\u200b", "20210305", "today", "infinity", "epoch", "now", "292278994-08-17", "2021-03-05 24:00:00",
)  # fmt: skip
_TEXTS = (
    "", " ", "\u3000", "\u00a0", "\ufeff", "x", "城市", "é", "e\u0301", "😀", "\ud800", "\udfff", "\udc80", "\0",
    "a\0b", "\x07", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u202egnp", "\u200b", "\ufffe", "\uffff", "\U0010ffff",
    "a\nb", "a\r\nb", "a\rb", "\n", "\r", "\t", '"', '""', '"a', 'a"', 'a"b', '"a"b', "a,b", ",", ",,,", "'", "\\",
    "\\N", "NULL", "null", "None", "NA", "=cmd|' /C calc'!A0", "+1", "@SUM(A1)", "-x", "'; drop table raw; --",
    "{{ 1 }}", "%s", "$1", "<b>", "&amp;", "..", "/etc", "x" * 1001, "城" * 2001, "x" * 70_000, "x" * 140_000,
    "<![CDATA[", "_x0000_", "_x000D_", "﷽" * 50, "i̇", "ß", "ﬁ", "Å",
)  # fmt: skip


@dataclass(frozen=True)
class HostileFile:
    """A file for the landing door.

    Attributes:
        kind: of the folder it goes to.
        suffix: which tells its format.
        content: its bytes.
        form: what kind of file it is, for the count.
        rows: the fields of each row below the header, where any reader must find exactly these.
    """

    kind: str
    suffix: str
    content: bytes
    form: str
    rows: Rows | None = None


@cache
def good_rows(kind: str) -> tuple[tuple[str, ...], Rows]:
    """Columns and rows that are right, or nearly: those of the seeds, and of a small tree."""
    names = contracts()[kind].names
    if kind == "frameworks":
        tree = [node(ROOT, ""), node("p", ROOT), node("s", "p"), node("t", "s"), node("u", "s")]
        given = [{"index_code": "fuzzed", "edition": "1", **row} for row in tree]
    else:
        with (PROJECT_DIRECTORY / "seeds" / f"{kind}.csv").open(encoding="utf-8", newline="") as stream:
            given = [row for _number, row in zip(range(_SEED_ROWS), csv.DictReader(stream), strict=False)]
    return names, [[row.get(name) or "" for name in names] for row in given]


def cells() -> st.SearchStrategy[str]:
    """A hostile field."""
    return st.one_of(
        st.sampled_from(_NUMBERS),
        st.sampled_from(_DATES),
        st.sampled_from(_TEXTS),
        st.text(st.characters(), max_size=8),
        st.floats().map(repr),
        st.integers().map(str),
    )


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, list[str], Rows]:
    """Kind, header and rows of a table that is right in part."""
    kind = draw(st.sampled_from(KINDS))
    contract = contracts()[kind]
    names, pool = good_rows(kind)
    chosen = [name for name in names if name in contract.required_names or draw(st.booleans())]
    places = [names.index(name) for name in chosen]
    if kind == "frameworks" and draw(st.booleans()):
        rows = [list(row) for row in pool]
    else:
        rows = [list(draw(st.sampled_from(pool))) for _ in range(draw(st.integers(0, 6)))]
    rows = [[row[place] for place in places] for row in rows]
    for row in rows:
        while draw(st.integers(0, 2)) == 0:
            row[draw(st.integers(0, len(row) - 1))] = draw(cells())
    if rows and draw(st.integers(0, 3)) == 0:
        rows.append(list(draw(st.sampled_from(rows))))
    if draw(st.integers(0, 5)) == 0:
        chosen = _odd_header(draw, chosen, rows)
    elif draw(st.booleans()):
        order = draw(st.permutations(range(len(chosen))))
        chosen, rows = [chosen[place] for place in order], [[row[place] for place in order] for row in rows]
    return kind, chosen, rows


def _odd_header(draw: st.DrawFn, header: list[str], rows: Rows) -> list[str]:
    """A header that is not, or hardly, that of the kind; rows stay as wide as it is."""
    odd = draw(st.sampled_from(["spaces", "case", "twice", "gone", "further", "empty", "text", "wide", "marked"]))
    place = draw(st.integers(0, len(header) - 1))
    header = list(header)
    if odd == "spaces":
        header[place] = f" {header[place]}\u3000"
    elif odd == "case":
        header[place] = header[place].upper()
    elif odd == "gone":
        del header[place]
        for row in rows:
            del row[place]
    elif odd == "marked":
        header[place] = f"\ufeff{header[place]}"
    elif odd == "text":
        header[place] = draw(cells())
    else:
        further = {
            "twice": [header[place]],
            "further": ["note"],
            "empty": ["", ""],
            "wide": [f"c{number}" for number in range(_MANY_COLUMNS)],
        }[odd]
        header += further
        for row in rows:
            row += [""] * len(further)
    return header


@st.composite
def files(draw: st.DrawFn) -> HostileFile:
    """A table as a file of any format."""
    kind, header, rows = draw(tables())
    form = draw(st.sampled_from(FORMATS))
    if form == "parquet":
        data_type = draw(st.sampled_from(_TYPES))
        content = as_parquet(header, rows, data_type)
        return HostileFile(kind, ".parquet", content, form, rows if data_type == "varchar" else None)
    if form == "xlsx":
        style = draw(st.integers(0, 3))
        # Numbers, dates and errors are told otherwise than they were written.
        return HostileFile(kind, ".xlsx", as_xlsx(header, rows, style), form, rows if style != 2 else None)
    return _csv_file(draw, kind, header, rows, form)


def _csv_file(draw: st.DrawFn, kind: str, header: list[str], rows: Rows, form: str) -> HostileFile:
    if draw(st.integers(0, 2)) == 0:
        for row in rows:
            if draw(st.integers(0, 2)) == 0:  # ragged
                row[draw(st.integers(0, len(row))) :] = draw(st.lists(st.sampled_from(["", "x", '"', "1"]), max_size=3))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, None]))
    ends = draw(st.sampled_from(["\n", "\n", "\r\n", "\r", "mixed", "blank"]))
    lines = [_line(cells, quoting) for cells in [header, *rows]]
    written = ""
    for line in lines:
        end = draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"])) if ends == "mixed" else ends
        written += line + ("\n" * draw(st.integers(1, 3)) if ends == "blank" else end)
    if draw(st.booleans()):
        written = written.rstrip("\r\n")
    mark = "\ufeff" if "mark" in form else ""
    encoding = "gb18030" if "gb18030" in form else "utf-8"
    content = (mark + written).encode(encoding, "surrogatepass" if encoding == "utf-8" else "replace")
    is_plain = quoting is not None and ends in ("\n", "\r\n") and encoding == "utf-8" and len(rows) > 0
    return HostileFile(kind, ".csv", content, form, rows if is_plain and lines[-1] else None)


def _line(fields: list[str], quoting: int | None) -> str:
    if quoting is None:
        return ",".join(fields)
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=quoting, lineterminator="").writerow(fields)
    return stream.getvalue()


# What all columns of a Parquet file are cast to where they can be; a column that cannot stays text.
_TYPES = (
    "varchar", "varchar", "varchar", "double", "float", "decimal(18, 3)", "bigint", "hugeint", "date", "timestamp",
    "timestamptz", "time", "interval", "boolean", "blob", "uuid", "bit", "varchar[]", "struct(a varchar)",
    "map(varchar, varchar)", "enum", "utinyint", "timestamp_ns",
)  # fmt: skip
_CODECS = ("snappy", "zstd", "gzip", "uncompressed", "brotli", "lz4_raw")


def as_parquet(header: list[str], rows: Rows, data_type: str = "varchar", codec: str | None = None) -> bytes:
    """A Parquet file; of the columns as many as can be are of the type."""
    width = len(header)
    names = [f"c{place}" for place in range(width)]
    texts = [
        [cell.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00") for cell in row[:width]]
        for row in rows
    ]
    connection = _database()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"
        columns = ", ".join(f"{name} varchar" for name in names)
        connection.execute(f"create or replace table given ({columns})")
        if texts:
            # One statement for all rows: a row each is slow where there are ten thousand columns.
            places = ", ".join(f"rows[{place + 1}]" for place in range(width))
            connection.execute(f"insert into given select {places} from (select unnest(?) as rows)", [texts])
        selected = []
        for place, name in enumerate(names):
            read = name
            if data_type != "varchar" and (width < 100 and place % 2):
                read = _cast(connection, name, data_type)
            # Two columns of a Parquet file cannot have one name, nor can one have none.
            header_name = (
                header[place].encode("utf-8", "backslashreplace").decode().replace("\0", "") or f"empty{place}"
            )
            if header[place] in header[:place]:
                header_name += "_1"
            selected.append(f'{read} as "{header_name.replace(chr(34), chr(34) * 2)}"')
        try:
            connection.execute(
                f"copy (select {', '.join(selected)} from given) to '{path}' "
                f"(format parquet, row_group_size 2048, compression {codec or _CODECS[width % len(_CODECS)]})"
            )
        except duckdb.Error:
            # A name or type that DuckDB does not write: what is left is a file without a footer.
            return b"PAR1" + repr((header, rows)).encode("utf-8", "backslashreplace")
        return path.read_bytes()


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


def _cast(connection: duckdb.DuckDBPyConnection, name: str, data_type: str) -> str:
    sql = {
        "varchar[]": f"[{name}, null]",
        "struct(a varchar)": f"{{'a': {name}}}",
        "map(varchar, varchar)": f"map {{{name}: {name}}}",
        "blob": f"encode({name})",
        "enum": f"cast({name} as enum('x', '1'))",
    }.get(data_type, f"cast({name} as {data_type})")
    try:
        connection.execute(f"select {sql} from given").fetchall()
    except duckdb.Error:
        return name
    return sql


def as_xlsx(header: list[str], rows: Rows, style: int = 0, first_row: int = 1) -> bytes:
    """A workbook written by hand, so that it may hold what no library writes.

    Args:
        header: the first row.
        rows: the others.
        style: 0 texts in the cells, 1 shared texts, 2 numbers where they look like it, with dates and errors, 3 cells
            without a place.
        first_row: where the header stands.
    """
    shared: dict[str, int] = {}
    lines = []
    for number, cells_ in enumerate([header, *rows], start=first_row):
        places = "".join(
            _cell(cell, f"{_letters(place)}{number}", style, shared)
            for place, cell in enumerate(cells_)
            if cell or style == 3
        )
        lines.append(f'<row r="{number}">{places}</row>' if style != 3 else f"<row>{places}</row>")
    sheet = f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'
    texts = "".join(f'<si><t xml:space="preserve">{_escaped(text)}</t></si>' for text in shared)
    return zipped({
        "[Content_Types].xml": _CONTENT_TYPES,
        "_rels/.rels": _relations(("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
                           '<sheet name="x" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relations(
            ("worksheet", "worksheets/sheet1.xml"), ("sharedStrings", "sharedStrings.xml"), ("styles", "styles.xml")
        ),
        "xl/worksheets/sheet1.xml": sheet,
        "xl/sharedStrings.xml": f'{_XML}<sst xmlns="{_MAIN}">{texts}</sst>',
        "xl/styles.xml": _STYLES,
    })  # fmt: skip


_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_CONTENT_TYPES = (
    f'{_XML}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEET_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_SHEET_TYPE}.worksheet+xml"/>'
    f'<Override PartName="/xl/sharedStrings.xml" ContentType="{_SHEET_TYPE}.sharedStrings+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_SHEET_TYPE}.styles+xml"/></Types>'
)
# The second style is a date's.
_STYLES = (
    f'{_XML}<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts>'
    '<fills count="1"><fill><patternFill patternType="none"/></fill></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>'
)


def _relations(*parts: tuple[str, str]) -> str:
    relations = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(parts, start=1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{relations}</Relationships>'


def _letters(place: int) -> str:
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _escaped(text: str) -> str:
    return quoteattr(text.encode("utf-8", "backslashreplace").decode())[1:-1]


def _cell(text: str, place: str, style: int, shared: dict[str, int]) -> str:
    at = f" r={quoteattr(place)}" if style != 3 else ""
    if style == 2 and text.startswith("#"):
        return f'<c{at} t="e"><v>{_escaped(text)}</v></c>'
    if style == 2 and text[:1] == "=":
        return f"<c{at}><f>{_escaped(text[1:])}</f></c>"
    if style == 2 and text.strip("+-").replace(".", "", 1).replace("e", "").isalnum() and text[-1:].isdigit():
        dated = ' s="1"' if len(text) > 4 else ""
        return f"<c{at}{dated}><v>{_escaped(text)}</v></c>"
    if style == 1:
        return f'<c{at} t="s"><v>{shared.setdefault(text, len(shared))}</v></c>'
    return f'<c{at} t="inlineStr"><is><t xml:space="preserve">{_escaped(text)}</t></is></c>'


def zipped(members: dict[str, Any]) -> bytes:
    """A zip archive of these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(
                name, content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
            )
    return stream.getvalue()
