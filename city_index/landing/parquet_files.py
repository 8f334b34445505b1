"""Parquet files within bounds: what a file says of itself is held against limits before DuckDB believes it.

DuckDB makes room for as many columns, row groups and bytes as a footer or page header claims. So both are walked here
first, in Python and in bounded memory, and a claim that is out of bounds refuses the file. What belongs here: sizes,
counts and where data lie. What does not: what the values mean.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import duckdb

from city_index.database import connect, file_pattern, identifier
from city_index.landing.csv_files import MAX_RECORD_BYTES, UnreadableFile

MAX_ROWS = 100_000_000
MAX_COLUMNS = 1000
MAX_ROW_GROUPS = 1 << 16
MAX_FOOTER_BYTES = 8 << 20

# Writers begin a new page long before this; a page is unpacked in one piece.
MAX_PAGE_BYTES = 128 << 20
MAX_UNPACKED_BYTES = 8 << 30

# What all values come to as text. Values that are the same cost nothing in the file, and their whole length after it.
MAX_TEXT_BYTES = 8 << 30

# Types whose values are short whatever they are.
_SHORT_TYPES = frozenset(f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "", "BIG", "HUGE")) | {
    "INTEGER",
    "UINTEGER",
    "BOOLEAN",
    "DOUBLE",
    "FLOAT",
    "DECIMAL",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "UUID",
}

# A byte that is no letter is written as \\x and two digits.
_TEXT_OF_A_BYTE = 4

_MAGIC = b"PAR1"
# Where a footer ends: its length in four bytes, and the magic.
_TAIL = 8

# A page header is some bytes long, but for the least and greatest value that it may hold.
_HEADER_BYTES, _LARGEST_HEADER_BYTES = 1 << 12, 1 << 22

_MAX_DEPTH = 16

_ADVICE = "split the file"


@dataclass(frozen=True)
class _Chunk:
    """Where the pages of one column of one row group lie."""

    start: int
    size: int


def check_bounds(path: Path) -> None:
    """Hold a Parquet file's own account of itself against the bounds.

    Raises:
        UnreadableFile: it is out of bounds, or cannot be followed.
    """
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        footer = _read_footer(stream, size)
        end = size - _TAIL - len(footer)
        unpacked = 0
        for chunk in _chunks(footer, end):
            unpacked += _unpacked_bytes(stream, chunk)
            if unpacked > MAX_UNPACKED_BYTES:
                raise _too_large(f"it unpacks to more than {MAX_UNPACKED_BYTES:,} bytes")


def check_texts(connection: duckdb.DuckDBPyConnection, path: Path, types: Mapping[str, str]) -> None:
    """Hold the length of the values against the bounds; reads the columns of text once.

    Args:
        connection: where they are read.
        path: a file within bounds.
        types: its columns with their types in DuckDB.

    Raises:
        UnreadableFile: a value, or all together, are too long.
        duckdb.Error: it cannot be read.
    """
    lengths = [
        f"octet_length({identifier(name)}) * {_TEXT_OF_A_BYTE}"
        if data_type == "BLOB"
        else f"strlen(cast({identifier(name)} as varchar))"
        for name, data_type in types.items()
        if data_type.partition("(")[0] not in _SHORT_TYPES
    ]
    if not lengths:
        return
    figures = ", ".join(f"max({length}), sum({length})" for length in lengths)
    found = connection.execute(
        f"select {figures} from read_parquet({file_pattern(path)}, hive_partitioning=false)"
    ).fetchone()
    if max(length or 0 for length in found[::2]) > MAX_RECORD_BYTES:
        raise UnreadableFile("too large", f"a value is longer than {MAX_RECORD_BYTES:,} bytes; shorten it")
    together = sum(length or 0 for length in found[1::2])
    if together > MAX_TEXT_BYTES:
        raise _too_large(f"its values come to {together:,} bytes of text, {MAX_TEXT_BYTES:,} are allowed")


def read_header(path: Path) -> list[str]:
    """The column names of a Parquet file within bounds.

    Raises:
        UnreadableFile: it is out of bounds, or has no columns that can be read.
    """
    check_bounds(path)
    try:
        with connect(paths=[path, path.resolve()]) as connection:
            described = connection.execute(
                f"describe select * from read_parquet({file_pattern(path)}, hive_partitioning=false)"
            )
            return [name for name, *_rest in described.fetchall()]
    except duckdb.Error as error:
        raise not_parquet(path, error) from None


def not_parquet(path: Path, error: duckdb.Error) -> UnreadableFile:
    """The refusal of a file that DuckDB cannot read."""
    said = " ".join(str(error).replace(str(path), "the file").splitlines()[0].split())[:200]
    return _damaged(said)


def _damaged(what: str) -> UnreadableFile:
    return UnreadableFile("not a Parquet file", f"it is cut short or damaged ({what}); write it again")


def _too_large(what: str) -> UnreadableFile:
    return UnreadableFile("too large", f"{what}; {_ADVICE}")


def _read_footer(stream: BinaryIO, size: int) -> bytes:
    stream.seek(max(size - _TAIL, 0))
    tail = stream.read(_TAIL)
    if size < 2 * len(_MAGIC) + 4 or tail[4:] != _MAGIC:
        what = "its footer is encrypted" if tail[4:] == b"PARE" else "it does not end as a Parquet file does"
        raise _damaged(what)
    length = int.from_bytes(tail[:4], "little")
    if length > MAX_FOOTER_BYTES:
        raise _too_large(f"its footer claims {length:,} bytes, {MAX_FOOTER_BYTES:,} are allowed")
    if length > size - _TAIL - len(_MAGIC):
        raise _damaged("its footer claims to be longer than the file")
    stream.seek(size - _TAIL - length)
    return stream.read(length)


def _chunks(footer: bytes, end: int) -> list[_Chunk]:
    """The column chunks that a footer tells of, whose columns, rows and places are within bounds."""
    metadata = _Thrift(footer, {4: MAX_ROW_GROUPS}).read_struct()
    columns = _check_schema(_list_of(metadata, 2))
    row_groups = _list_of(metadata, 4)
    row_count = _number(metadata, 3)
    if row_count > MAX_ROWS:
        raise _too_large(f"it has {row_count:,} rows, {MAX_ROWS:,} are allowed")
    if sum(_number(row_group, 3) for row_group in row_groups) != row_count:
        raise _damaged("its row groups have another number of rows than its footer counts")
    chunks = []
    for row_group in row_groups:
        found = _list_of(row_group, 1)
        if len(found) != columns:
            raise _damaged("a row group has another number of columns than the file")
        for column in found:
            if column.get(1) or not isinstance(column.get(3), dict):
                raise _damaged("a column lies in another file, or is encrypted")
            described = column[3]
            start, length = _number(described, 9), _number(described, 7)
            if isinstance(described.get(11), int) and 0 < described[11] < start:
                start = described[11]
            if not len(_MAGIC) <= start <= start + length <= end:
                raise _damaged("a column claims bytes that the file does not have")
            chunks.append(_Chunk(start, length))
    return chunks


def _check_schema(schema: list[dict[int, Any]]) -> int:
    """See that a schema is a flat list of columns; gives their number."""
    if not schema or not all(isinstance(element, dict) for element in schema):
        raise _damaged("it has no columns")
    columns = len(schema) - 1
    if columns > MAX_COLUMNS:
        raise _too_large(f"it has {columns:,} columns, {MAX_COLUMNS:,} are allowed")
    for element in schema[1:]:
        # Few bytes can hold lists of any length; no kind has them.
        if element.get(5) or element.get(3) == 2:
            name = element.get(4)
            shown = repr(name.decode("utf-8", "backslashreplace")[:60]) if isinstance(name, bytes) else "a column"
            raise UnreadableFile("nested column", f"{shown} holds lists or structures; write one value in each row")
    return columns


def _unpacked_bytes(stream: BinaryIO, chunk: _Chunk) -> int:
    """What the pages of a column chunk claim to unpack to."""
    at, end, unpacked = chunk.start, chunk.start + chunk.size, 0
    while at < end:
        header, length = _read_page_header(stream, at, end)
        claimed, packed = _number(header, 2), _number(header, 3)
        if claimed > MAX_PAGE_BYTES:
            raise _too_large(f"a page unpacks to {claimed:,} bytes, {MAX_PAGE_BYTES:,} are allowed")
        unpacked += claimed
        at += length + packed
    if at != end:
        raise _damaged("its pages do not end where their column does")
    return unpacked


def _read_page_header(stream: BinaryIO, at: int, end: int) -> tuple[dict[int, Any], int]:
    for largest in (_HEADER_BYTES, _LARGEST_HEADER_BYTES):
        stream.seek(at)
        given = stream.read(min(largest, end - at))
        thrift = _Thrift(given, {})
        try:
            return thrift.read_struct(), thrift.at
        except _CutShort:
            continue
    raise _damaged("a page has no header")


def _number(struct: Any, field: int) -> int:
    value = struct.get(field) if isinstance(struct, dict) else None
    if not isinstance(value, int) or value < 0:
        raise _damaged("a size or count is missing or negative")
    return value


def _list_of(struct: Any, field: int) -> list[dict[int, Any]]:
    value = struct.get(field) if isinstance(struct, dict) else None
    if not isinstance(value, list):
        raise _damaged("its footer lacks a list")
    return value


class _CutShort(UnreadableFile):
    """The bytes end before what they describe does."""

    def __init__(self) -> None:
        super().__init__(
            "not a Parquet file", "it is cut short or damaged (its description ends early); write it again"
        )


class _Thrift:
    """A reader of Thrift's compact protocol, which footers and page headers are written in.

    A struct becomes the values of its fields by their number, a list a list, a text bytes. Nothing is made room for
    that the bytes do not hold, and lists have as many elements as columns at most, but for those with a limit of
    their own at the outermost level.
    """

    def __init__(self, data: bytes, limits: dict[int, int]) -> None:
        self.at = 0
        self._data = data
        self._limits = limits

    def read_struct(self, depth: int = 0) -> dict[int, Any]:
        if depth > _MAX_DEPTH:
            raise _damaged("its description is nested too deeply")
        fields: dict[int, Any] = {}
        field = 0
        while kind := self._byte():
            field = field + (kind >> 4) if kind >> 4 else self._zigzag()
            kind &= 15
            limit = MAX_COLUMNS + 1 if depth else self._limits.get(field, MAX_COLUMNS + 1)
            fields[field] = kind == 1 if kind in (1, 2) else self._value(kind, depth, limit)
        return fields

    def _value(self, kind: int, depth: int, limit: int) -> Any:
        if kind in (1, 2, 3):
            return self._byte()
        if kind in (4, 5, 6):
            return self._zigzag()
        if kind == 7:
            return self._take(8)
        if kind == 8:
            return self._take(self._varint())
        if kind in (9, 10):
            header = self._byte()
            count = header >> 4 if header >> 4 < 15 else self._varint()
            self._check_count(count, limit)
            return [self._value(header & 15, depth + 1, MAX_COLUMNS + 1) for _ in range(count)]
        if kind == 11:
            count = self._varint()
            self._check_count(count, limit)
            kinds = self._byte() if count else 0
            for _ in range(count):
                self._value(kinds >> 4, depth + 1, MAX_COLUMNS + 1)
                self._value(kinds & 15, depth + 1, MAX_COLUMNS + 1)
            return None
        if kind == 12:
            return self.read_struct(depth + 1)
        raise _damaged("its description holds an unknown type")

    @staticmethod
    def _check_count(count: int, limit: int) -> None:
        if count > limit:
            raise _too_large(f"its description holds a list of {count:,}, {limit:,} are allowed")

    def _byte(self) -> int:
        if self.at >= len(self._data):
            raise _CutShort
        value = self._data[self.at]
        self.at += 1
        return value

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise _damaged("its description holds an endless number")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self.at:
            raise _CutShort
        self.at += size
        return self._data[self.at - size : self.at]
