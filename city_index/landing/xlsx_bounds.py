"""Workbooks within bounds: what a workbook may unpack to, so that no small file can fill the memory or take for ever.

A workbook is a ZIP archive of XML parts that somebody else made. Every part is walked here once, event by event and in
constant memory, before openpyxl may build anything from it. What belongs here: sizes, counts and what XML may hold.
What does not: what the cells mean.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from city_index.landing.csv_files import UnreadableFile

# A full sheet of eight columns unpacks to less than half of this.
MAX_UNPACKED_BYTES = 1 << 30

# Sheets of nothing but zeros pack to a tenth or so. The ratio is asked only of archives that unpack to more than this.
MAX_UNPACKED_RATIO = 200
_SMALL_BYTES = 16 << 20

MAX_ENTRIES = 10_000
MAX_DIRECTORY_BYTES = 4 << 20

# A sheet has no more rows; a workbook may hold more texts than that, but a table of ours does not.
MAX_ROWS = 1 << 20
MAX_SHARED_TEXTS = 1 << 21

# Of one row or text, and of all that stands around them; of a part that is read whole, of the part.
MAX_ELEMENTS = 200_000
MAX_PART_BYTES = 32 << 20
MAX_DEPTH = 64

# A sheet with values further to the right is not one of ours, and reading it would cost a cell for each column.
MAX_COLUMNS = 1000

# Excel's own limit. openpyxl looks at each with expressions that take the square of its length.
MAX_FORMAT_LENGTH = 255

_CHUNK = 1 << 20
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_ROW = f"{_MAIN} row"
# By the name of a part's root: what it is a list of, and how many there may be.
_RECORDS = {f"{_MAIN} worksheet": (_ROW, MAX_ROWS), f"{_MAIN} sst": (f"{_MAIN} si", MAX_SHARED_TEXTS)}

_COORDINATE = re.compile(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,9})")
_VALUES = (f"{_MAIN} v", f"{_MAIN} is")

_ADVICE = "save it as CSV, or split it"


class _BoundedFile(io.BufferedReader):
    """A file of which nobody reads more at once than a directory of entries may hold."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "r"))
        self._size = path.stat().st_size

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = self._size - self.tell()
        if size > MAX_DIRECTORY_BYTES:
            raise UnreadableFile("too large", f"the workbook holds more than {MAX_ENTRIES:,} entries; {_ADVICE}")
        return super().read(max(size, 0))


class _Streamed:
    """A part that is read piece by piece."""

    def __init__(self, archive: BoundedArchive, name: str, stream: BinaryIO) -> None:
        self._archive, self._name, self._stream = archive, name, stream

    def __enter__(self) -> _Streamed:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            self._archive.check_part(self._name, is_read_whole=True)
        return self._stream.read(size)

    def close(self) -> None:
        self._stream.close()


class BoundedArchive(zipfile.ZipFile):
    """The archive of a workbook that gives no part which it has not walked. Make one with ``bounded_archive``."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self._walks: dict[tuple[str, bool], _Walk] = {}
        members = self.infolist()
        if len(members) > MAX_ENTRIES:
            raise UnreadableFile(
                "too large", f"the workbook holds {len(members):,} entries, {MAX_ENTRIES:,} are allowed; {_ADVICE}"
            )
        unpacked = sum(member.file_size for member in members)
        packed = max(sum(member.compress_size for member in members), 1)
        if unpacked > MAX_UNPACKED_BYTES:
            raise UnreadableFile(
                "too large",
                f"the workbook unpacks to {unpacked:,} bytes, {MAX_UNPACKED_BYTES:,} are allowed; {_ADVICE}",
            )
        if unpacked > max(packed * MAX_UNPACKED_RATIO, _SMALL_BYTES):
            raise UnreadableFile(
                "too large",
                f"the workbook unpacks to {unpacked // packed:,} times its size, {MAX_UNPACKED_RATIO} are allowed; "
                f"{_ADVICE}",
            )
        for member in members:
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise UnreadableFile(
                    "not an XLSX file", "an entry is packed in a way that no workbook is; save it as an XLSX workbook"
                )

    def read(self, name: str, pwd: bytes | None = None) -> bytes:
        """A part, whole."""
        self.check_part(name, is_read_whole=True)
        with super().open(name) as stream:
            return stream.read()

    def open(self, name: str, mode: str = "r", pwd: bytes | None = None, *, force_zip64: bool = False) -> _Streamed:
        """A part, to be read piece by piece."""
        self.check_part(name, is_read_whole=False)
        return _Streamed(self, name, super().open(name))

    def check_part(self, name: str, is_read_whole: bool) -> None:
        """Walk a part and hold it against the bounds; once for each way of reading it.

        Args:
            name: of the part.
            is_read_whole: whether all of it will be in memory at once; a sheet and the shared texts are not.

        Raises:
            KeyError: there is no such part.
            UnreadableFile: it is out of bounds, or defines a document type.
        """
        if (name, is_read_whole) not in self._walks:
            walk = _Walk(name, is_read_whole)
            with super().open(name) as stream:
                walk.over(stream)
            self._walks[name, is_read_whole] = walk

    def check_order(self, name: str) -> None:
        """See that the rows and cells of a sheet stand in their order and within its bounds.

        The reader passes over a row out of order, takes a cell of another row for one of the row that it stands in, and
        of two cells of one place the last.

        Raises:
            UnreadableFile: they do not.
        """
        self.check_part(name, is_read_whole=False)
        disorder = self._walks[name, False].disorder
        if disorder is not None:
            raise disorder


class _Walk:
    """One walk over a part.

    Attributes:
        disorder: what to say of the first row or cell of a sheet that stands out of order, or too far to the right.
    """

    def __init__(self, name: str, is_read_whole: bool) -> None:
        self.disorder: UnreadableFile | None = None
        self._name, self._is_read_whole = name[:100], is_read_whole
        self._record: str | None = None
        self._record_limit = self._records = 0
        self._depth = self._outside = self._within = 0
        self._record_depth = self._record_start = self._record_bytes = 0
        self._last_row = self._last_column = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_document_type

    def over(self, stream: BinaryIO) -> None:
        """Walk over the part; a part that is no XML is left to the reader, which will not get further than this."""
        size = 0
        try:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                self._parser.Parse(chunk, False)
                open_bytes = size - self._record_start if self._record_depth else 0
                self._check_bytes(max(open_bytes, size - self._record_bytes - open_bytes))
            self._parser.Parse(b"", True)
        except expat.ExpatError:
            return

    def _check_bytes(self, size: int) -> None:
        # What the parser holds back of the last chunk does not count.
        if size > MAX_PART_BYTES + _CHUNK:
            raise self._too_large(f"more than {MAX_PART_BYTES:,} bytes in one piece")

    def _too_large(self, what: str) -> UnreadableFile:
        return UnreadableFile("too large", f"{self._name} of the workbook holds {what}; {_ADVICE}")

    def _refuse_document_type(self, *_declared: object) -> None:
        raise UnreadableFile(
            "not an XLSX file",
            f"{self._name} of the workbook defines a document type, which no workbook does; save the workbook anew",
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._record_depth:
            self._within += 1
            if self._within > MAX_ELEMENTS:
                raise self._too_large(f"more than {MAX_ELEMENTS:,} elements in one row or text")
            if name == self._record or self._depth > MAX_DEPTH:
                raise self._too_large("rows within rows")
            if self._record == _ROW and self._depth == self._record_depth + 1:
                self._begin_cell(attributes)
            elif self._last_column > MAX_COLUMNS and name in _VALUES:
                self._note("too wide", f"row {self._last_row}", f"has more than {MAX_COLUMNS:,} columns")
        elif name == self._record:
            self._begin_record(attributes)
        else:
            if self._depth == 1 and not self._is_read_whole:
                self._record, self._record_limit = _RECORDS.get(name, (None, 0))
            self._outside += 1
            if self._outside > MAX_ELEMENTS or self._depth > MAX_DEPTH:
                raise self._too_large(f"more than {MAX_ELEMENTS:,} elements that are no rows, or deeply nested ones")
        if self._is_read_whole and len(attributes.get("formatCode", "")) > MAX_FORMAT_LENGTH:
            raise self._too_large(f"a number format of more than {MAX_FORMAT_LENGTH} characters")

    def _begin_record(self, attributes: dict[str, str]) -> None:
        self._record_depth, self._record_start = self._depth, self._parser.CurrentByteIndex
        self._within = 0
        self._records += 1
        if self._records > self._record_limit:
            raise self._too_large(f"more than {self._record_limit:,} rows or texts")
        given = attributes.get("r", "").strip()
        row_number = int(given) if given.isdecimal() and len(given) < 10 else 0 if given else self._last_row + 1
        if not self._last_row < row_number <= MAX_ROWS:
            self._note("rows out of order", f"row {given[:20] or row_number}", f"follows row {self._last_row}")
        self._last_row, self._last_column = row_number, 0

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        given = attributes.get("r", "")
        column = self._last_column + 1
        if place := _COORDINATE.fullmatch(given):  # any other is the reader's to refuse
            column = _column_number(place[1].upper())
            if int(place[2]) != self._last_row:
                self._note("cells out of order", f"cell {given}", f"stands in row {self._last_row}")
        if column <= self._last_column:
            self._note("cells out of order", f"cell {given}", "does not follow the cell before it")
        self._last_column = column

    def _note(self, reason: str, what: str, where: str) -> None:
        if self.disorder is None:
            self.disorder = UnreadableFile(reason, f"{what} of the first sheet {where}; save the workbook anew")

    def _end(self, name: str) -> None:
        if self._depth == self._record_depth:
            size = self._parser.CurrentByteIndex - self._record_start
            self._check_bytes(size)
            self._record_bytes += size
            self._record_depth = 0
        self._depth -= 1


@cache
def _column_number(letters: str) -> int:
    """The number of a column from its letters: 1 for A, 27 for AA."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


@contextmanager
def bounded_archive(path: Path) -> Iterator[tuple[BoundedArchive, BinaryIO]]:
    """The archive of a workbook, and the file that it lies in.

    Raises:
        UnreadableFile: it is out of bounds.
        zipfile.BadZipFile: it is no archive.
    """
    with _BoundedFile(path) as stream, BoundedArchive(stream) as archive:
        yield archive, stream
