"""Workbooks within bounds: what a workbook may unpack to, so that no small file can fill the memory or take for ever.

A workbook is a ZIP archive of XML parts that somebody else made. Every part is walked here once, event by event and in
constant memory, before openpyxl may build anything from it. What belongs here: sizes, counts and what XML may hold.
What does not: what the cells mean.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
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

# Excel's own limit. openpyxl looks at each with expressions that take the square of its length.
MAX_FORMAT_LENGTH = 255

_CHUNK = 1 << 20
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
# By the name of a part's root: what it is a list of, and how many there may be.
_RECORDS = {f"{_MAIN} worksheet": (f"{_MAIN} row", MAX_ROWS), f"{_MAIN} sst": (f"{_MAIN} si", MAX_SHARED_TEXTS)}

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
        """See that the rows of a sheet stand in their order, for the reader passes over one that does not.

        Raises:
            UnreadableFile: they do not, or one stands beyond the last row that a sheet has.
        """
        self.check_part(name, is_read_whole=False)
        disorder = self._walks[name, False].disorder
        if disorder is not None:
            row_number, before = disorder
            raise UnreadableFile(
                "rows out of order", f"row {row_number} of the first sheet follows row {before}; save the workbook anew"
            )


class _Walk:
    """One walk over a part.

    Attributes:
        disorder: the first row that stands out of order, as it gives its number, and the row before it.
    """

    def __init__(self, name: str, is_read_whole: bool) -> None:
        self.disorder: tuple[str, int] | None = None
        self._name, self._is_read_whole = name[:100], is_read_whole
        self._record: str | None = None
        self._record_limit = self._records = 0
        self._depth = self._outside = self._within = 0
        self._record_depth = self._record_start = self._record_bytes = 0
        self._last_row = 0
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
        if not self._last_row < row_number <= MAX_ROWS and self.disorder is None:
            self.disorder = (given[:20] or str(row_number), self._last_row)
        self._last_row = row_number

    def _end(self, name: str) -> None:
        if self._depth == self._record_depth:
            size = self._parser.CurrentByteIndex - self._record_start
            self._check_bytes(size)
            self._record_bytes += size
            self._record_depth = 0
        self._depth -= 1


@contextmanager
def bounded_archive(path: Path) -> Iterator[tuple[BoundedArchive, BinaryIO]]:
    """The archive of a workbook, and the file that it lies in.

    Raises:
        UnreadableFile: it is out of bounds.
        zipfile.BadZipFile: it is no archive.
    """
    with _BoundedFile(path) as stream, BoundedArchive(stream) as archive:
        yield archive, stream
