"""Reading CSV files so that no row can get lost.

DuckDB reads a clean file fast, but passes over what it does not understand. So the rows are counted here, from the
bytes, without any CSV reader; a file that DuckDB does not read with exactly that count is taken apart record by record,
and the records that are no rows of the table are handed over as text.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_CHUNK = 1 << 22
_SAMPLE = 1 << 22

# A record longer than this is not a row of any kind; a quoted field that spans more lines was never closed.
MAX_RECORD_BYTES = 1 << 20
_MAX_RECORD_LINES = 100

_REPLACED = "\ufffd"

UTF8 = "utf-8"
GB18030 = "gb18030"

_OTHER_MARKS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16", codecs.BOM_UTF32_BE: "UTF-32"}


class UnreadableFile(Exception):
    """A file that cannot be taken at all: ``reason`` in few words, ``detail`` with what to do."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Scan:
    """What the bytes of a CSV file say, read once and without a CSV reader.

    Attributes:
        sha256: of all bytes, in hex.
        record_count: records, the header included; line ends within quotes do not end one.
        is_utf8: whether all bytes are UTF-8.
        is_plain: whether the file may be read as it stands: one kind of line end, no blank line, no NUL.
        line_end: what ends its lines.
    """

    sha256: str
    record_count: int
    is_utf8: bool
    is_plain: bool
    line_end: bytes


def scan(path: Path, read: Callable[[int], None] = lambda _bytes: None) -> Scan:
    """Read a file once for its hash, its encoding and its records.

    Args:
        path: the file.
        read: called with the number of bytes after each part, for progress.
    """
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder(UTF8)()
    is_utf8, is_plain, inside = True, True, False
    line_feeds = returns = pairs = 0
    edge = b""  # the last bytes of the part before, where something may straddle
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            read(len(chunk))
            if is_utf8 and not (chunk.isascii() and not decoder.getstate()[0]):
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    is_utf8 = False
            seam = edge + chunk[:2]
            found_returns = chunk.count(b"\r")
            returns += found_returns
            if found_returns or b"\r" in edge:
                pairs += chunk.count(b"\r\n") + (edge[-1:] + chunk[:1] == b"\r\n")
                is_plain = is_plain and b"\n\r\n" not in chunk and b"\n\r\n" not in seam
            is_plain = is_plain and b"\0" not in chunk and b"\n\n" not in chunk and b"\n\n" not in seam
            if b'"' in chunk:
                parts = chunk.split(b'"')
                line_feeds += sum(part.count(b"\n") for part in (parts[1::2] if inside else parts[::2]))
                inside ^= len(parts) % 2 == 0
            elif not inside:
                line_feeds += chunk.count(b"\n")
            edge = (edge + chunk[-2:])[-2:]
    if is_utf8:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            is_utf8 = False
    if returns not in (0, pairs):
        is_plain = False
    line_end = b"\r\n" if pairs else b"\n"
    if returns and not line_feeds:
        line_end, is_plain = b"\r", False
    open_end = 1 if edge and not edge.endswith(b"\n") else 0
    return Scan(digest.hexdigest(), line_feeds + open_end, is_utf8, is_plain, line_end)


def encoding_of(path: Path) -> str:
    """The encoding of a file that is not wholly UTF-8: GB18030, or UTF-8 with damage.

    Chinese text in UTF-8 is in characters of three bytes, which text in GB18030 hardly ever looks like. So GB18030 it
    is where that leaves less damage and such characters are fewer than what UTF-8 cannot read.
    """
    sample = b""
    with path.open("rb") as stream:
        while len(sample) < _SAMPLE and (chunk := stream.read(_SAMPLE)):
            if not chunk.isascii():  # the rest says nothing
                sample += chunk
    as_utf8, as_gb18030 = (
        codecs.getincrementaldecoder(encoding)("replace").decode(sample) for encoding in (UTF8, GB18030)
    )
    damaged = as_utf8.count(_REPLACED)
    of_three_bytes = sum(character > "\u07ff" for character in as_utf8 if not character.isascii()) - damaged
    if as_gb18030.count(_REPLACED) < damaged and of_three_bytes < damaged:
        return GB18030
    return UTF8


def transcode(path: Path, target: Path) -> bool:
    """Write a GB18030 file as UTF-8; gives whether all of it could be read."""
    decoder = codecs.getincrementaldecoder(GB18030)()
    with path.open("rb") as source, target.open("wb") as stream:
        try:
            while chunk := source.read(_CHUNK):
                stream.write(decoder.decode(chunk).encode(UTF8))
            stream.write(decoder.decode(b"", final=True).encode(UTF8))
        except UnicodeDecodeError:
            return False
    return True


def read_header(path: Path) -> list[str]:
    """The column names of a CSV file, without white space around them.

    Raises:
        UnreadableFile: it has none.
    """
    with path.open("rb") as stream:
        head = stream.read(1 << 16)
    for mark, name in _OTHER_MARKS.items():
        if head.startswith(mark):
            raise UnreadableFile("unknown encoding", f"the file is {name}; save it as CSV UTF-8")
    head = head.removeprefix(codecs.BOM_UTF8)
    if not head.strip():
        raise UnreadableFile("empty file", "it holds nothing; put a header and rows into it")
    end = min((found for found in (head.find(b"\n"), head.find(b"\r")) if found >= 0), default=len(head))
    line = head[:end]
    if b"\0" in line:
        raise UnreadableFile("not a CSV file", "its first line holds NUL characters; save it as CSV UTF-8")
    text = line.decode(UTF8, "replace") if _decodes(line, UTF8) else line.decode(GB18030, "replace")
    try:
        (fields,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        raise UnreadableFile("not a CSV file", f"its first line is no header: {error}") from None
    names = [field.strip() for field in fields]
    while len(names) > 1 and not names[-1]:
        names.pop()  # commas at the end of the header, which spreadsheets write
    return names


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


@dataclass
class Taken:
    """How many records of a file went where: rows of the table, and records that are none."""

    rows: int = 0
    malformed: int = 0


def take_apart(path: Path, encoding: str, line_end: bytes, width: int, rows_to: Path, malformed_to: Path) -> Taken:
    """Write each record of a file to one of two CSV files: what is a row of the table, and what is not.

    Args:
        path: the file; its first record, the header, is passed over.
        encoding: UTF-8 or GB18030.
        line_end: what ends its lines.
        width: how many fields a row has.
        rows_to: gets ``row_number, field, ...`` in UTF-8.
        malformed_to: gets ``row_number, detail, raw text`` in UTF-8.
    """
    taken = Taken()
    with (
        path.open("rb") as stream,
        rows_to.open("wb") as rows,
        malformed_to.open("w", encoding=UTF8, newline="") as malformed,
    ):
        faults = csv.writer(malformed, quoting=csv.QUOTE_ALL, lineterminator="\n")
        for row_number, line, fault, fields in _records(stream, encoding, line_end, width):
            if row_number == 1:
                continue
            if fault is None:
                taken.rows += 1
                rows.write(_written(row_number, fields) if fields is not None else b"%d,%s\n" % (row_number, line))
            else:
                taken.malformed += 1
                faults.writerow([row_number, fault, as_text(line, encoding)])
    return taken


def as_text(line: bytes, encoding: str) -> str:
    """A record as text that can be stored, whatever bytes it has."""
    text = line[:MAX_RECORD_BYTES].decode(encoding, "backslashreplace").replace("\0", "\\x00").replace("\r", "\\r")
    return text if len(line) <= MAX_RECORD_BYTES else f"{text} ... (cut off)"


def _written(row_number: int, fields: list[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow([row_number, *fields])
    return buffer.getvalue().encode(UTF8)


def _lines(stream: BinaryIO, line_end: bytes) -> Iterator[bytes]:
    """The lines of a file without their ends; one that is far too long is cut off."""
    if line_end == b"\r":
        yield from _lines_ended_by_returns(stream)
        return
    limit = MAX_RECORD_BYTES + 1
    while line := stream.readline(limit):
        if len(line) == limit and not line.endswith(b"\n"):
            while (rest := stream.readline(_CHUNK)) and not rest.endswith(b"\n"):
                pass
        yield line.removesuffix(b"\n").removesuffix(b"\r")


def _lines_ended_by_returns(stream: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\r")
        yield from lines
        if len(rest) > MAX_RECORD_BYTES:
            yield rest
            rest = b""
    if rest:
        yield rest


def _records(
    stream: BinaryIO, encoding: str, line_end: bytes, width: int
) -> Iterator[tuple[int, bytes, str | None, list[str] | None]]:
    """The records of a file: row number, bytes, why it is no row of the table, and its fields where it is quoted."""
    lines = _lines(stream, line_end)
    waiting: deque[bytes] = deque()
    row_number = 0

    def next_line() -> bytes | None:
        return waiting.popleft() if waiting else next(lines, None)

    while (line := next_line()) is not None:
        row_number += 1
        if row_number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        elif not line:
            continue  # a blank line is no row
        fault = _fault_of_bytes(line, encoding)
        if fault is not None:
            yield row_number, line, fault, None
            continue
        if b'"' not in line:
            count = line.count(b",") + 1
            if count > width and line.endswith(b","):
                # Commas at the end of a row hold nothing; spreadsheets write them, and DuckDB passes over one.
                trimmed = line.rstrip(b",")
                line = trimmed + b"," * max(width - 1 - trimmed.count(b","), 0)
                count = line.count(b",") + 1
            fault = None if count == width else f"{count} fields where the header has {width}"
            recoded = line if encoding == UTF8 else line.decode(encoding).encode(UTF8)
            yield row_number, (recoded if fault is None else line), fault, None
            continue
        fields, fault = _parsed(line, encoding)
        further: list[bytes] = []
        quotes, size = line.count(b'"'), len(line)
        # Quotes come in pairs, so the record ends with the line that makes their number even; only that is tried.
        while fields is None and fault is None and quotes % 2 and len(further) < _MAX_RECORD_LINES:
            following = next_line()
            if following is None:
                break
            further.append(following)
            size += len(following)
            if size > MAX_RECORD_BYTES or _fault_of_bytes(following, encoding) is not None:
                break
            quotes += following.count(b'"')
            if quotes % 2 == 0:
                fields, fault = _parsed(b"\n".join([line, *further]), encoding)
        if fields is None:
            # The quote was never closed: only this line is lost to it, the others are read again.
            waiting.extendleft(reversed(further))
            yield row_number, line, fault or "a quote is opened and not closed", None
            continue
        line = b"\n".join([line, *further])
        while len(fields) > width and not fields[-1]:
            fields.pop()
        fault = None if len(fields) == width else f"{len(fields)} fields where the header has {width}"
        # A row with line ends inside counts once, as in a spreadsheet.
        yield row_number, line, fault, fields


def _fault_of_bytes(line: bytes, encoding: str) -> str | None:
    if len(line) > MAX_RECORD_BYTES:
        return f"the row is longer than {MAX_RECORD_BYTES:,} bytes"
    if b"\0" in line:
        return "the row holds a NUL character"
    if b"\r" in line:
        return "the row holds a carriage return"
    if not _decodes(line, encoding):
        return f"the row is not {encoding.upper()}"
    return None


def _parsed(record: bytes, encoding: str) -> tuple[list[str] | None, str | None]:
    """The fields of a record, or why it has none; neither where its last quote is still open."""
    text = record.decode(encoding)
    try:
        (fields,) = csv.reader([text], strict=True)
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None, None
        if "field larger" in str(error):
            return None, "a field is too long"
        # White space after a closing quote is no text.
        closed = re.sub(r'"[ \t]+(?=,|$)', '"', text)
        return _parsed(closed.encode(encoding), encoding) if closed != text else (None, "text follows a closing quote")
    return fields, None
