"""A file of weights that a person asks a question with.

What belongs here: reading it, and saying for each fault where it is and what it is. What does not: what the weights
mean to an index; nothing here knows one.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from city_index.errors import NothingPublishable, UsageError
from city_index.landing.door import shown

REQUIRED = ("indicator_code", "weight")
OPTIONAL = ("index_code", "edition")

# The weights of a framework of a hundred thousand nodes take less.
_MAX_BYTES = 16 << 20
_SHOWN_CHARACTERS = 40

_OTHER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
# What an input method types for ASCII.
_HALF_WIDTH = {0xFF01 + offset: 0x21 + offset for offset in range(94)}


@dataclass(frozen=True)
class Fault:
    """What is wrong in a file and where: row and column, the header being row 1; none where it is the whole file."""

    row_number: int | None
    column: str | None
    reason: str

    def sentence(self) -> str:
        """Row, column and reason in words."""
        places = (
            [f"row {self.row_number}"] * (self.row_number is not None),
            [f"column {self.column}"] * (self.column is not None),
        )
        where = ", ".join(word for words in places for word in words)
        return f"{where}: {self.reason}" if where else self.reason


@dataclass(frozen=True)
class GivenWeight:
    """One row: the weight of an indicator, of the index and edition if it says so."""

    row_number: int
    indicator_code: str
    weight: float
    index_code: str | None = None
    edition: str | None = None


@dataclass
class WeightsFile:
    """What a file holds."""

    name: str
    weights: list[GivenWeight] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def demand_no_fault(self) -> None:
        """Go on only with a file that is right in every row.

        Raises:
            NothingPublishable: it is not; the message names the first fault and counts the others.
        """
        if self.faults:
            first = min(self.faults, key=lambda fault: fault.row_number or 0)
            others = len(self.faults) - 1
            more = f" (and {others} more fault{'s' if others > 1 else ''})" if others else ""
            raise NothingPublishable(f"{self.name}: {first.sentence()}{more}")


def in_quotes(text: str) -> str:
    """Text of a file as a message can show it: cut off, and with nothing that moves the cursor."""
    cut = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
    return repr(cut)


def read_weights(path: Path) -> WeightsFile:
    """Read a CSV file of weights; what is wrong with it stands in its faults.

    Raises:
        UsageError: there is no file that can be read.
    """
    found = WeightsFile(shown(path))
    text = _text(path, found)
    if text is None:
        return found
    records = csv.reader(io.StringIO(text, newline=""), strict=True)
    row_number = 0
    try:
        header = _header(next(records, []), found)
        row_number = 1
        for row_number, fields in enumerate(records, start=2):
            if header is None:
                break
            found.faults += _take_row(found, header, row_number, [entry.strip() for entry in fields])
    except csv.Error as error:
        found.faults.append(Fault(row_number + 1, None, f"this is no row of a CSV file: {error}"))
    if not found.weights and not found.faults:
        found.faults.append(Fault(None, None, "it holds no weights; put a row for each into it"))
    return found


def _text(path: Path, found: WeightsFile) -> str | None:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UsageError(f"{found.name}: is a folder; name the file")
        if not stat.S_ISREG(mode):
            # Opening a pipe waits for somebody to write, and a device may never end.
            raise UsageError(f"{found.name}: is no plain file; name a file")
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except (FileNotFoundError, ValueError):  # no file has a NUL in its name
        raise UsageError(f"{found.name}: there is no such file") from None
    except OSError as error:
        raise UsageError(f"{found.name}: cannot be read: {error.strerror}") from None
    if len(data) > _MAX_BYTES:
        found.faults.append(Fault(None, None, f"it is larger than {_MAX_BYTES >> 20} MB; a file of weights is not"))
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row_number = 1 if data.startswith(_OTHER_MARKS) else data.count(b"\n", 0, error.start) + 1
        found.faults.append(Fault(row_number, None, "this is not UTF-8; save the file as CSV UTF-8"))
        return None
    if not text.strip():
        found.faults.append(Fault(None, None, f"it is empty; put the columns {', '.join(REQUIRED)} into it"))
        return None
    return text


def _header(names: list[str], found: WeightsFile) -> list[str] | None:
    names = [name.strip() for name in names]
    while names and not names[-1]:
        names.pop()  # commas at the end, which spreadsheets write
    known = REQUIRED + OPTIONAL
    for column in REQUIRED:
        if column not in names:
            there = ", ".join(in_quotes(name) for name in names[:5]) or "nothing"
            found.faults.append(Fault(1, column, f"the column is missing; the header has {there}"))
    for name in dict.fromkeys(names):
        if name not in known:
            found.faults.append(
                Fault(1, in_quotes(name), f"a file of weights has no such column, only {', '.join(known)}")
            )
        elif names.count(name) > 1:
            found.faults.append(Fault(1, name, "the column is there twice"))
    return None if found.faults else names


def _take_row(found: WeightsFile, header: list[str], row_number: int, fields: list[str]) -> Iterator[Fault]:
    """Add a row to the weights of the file, or say what is wrong with it; a blank row is none."""
    while len(fields) > len(header) and not fields[-1]:
        fields.pop()
    if not any(fields):
        return
    if len(fields) != len(header):
        yield Fault(row_number, None, f"it has {len(fields)} fields where the header has {len(header)}")
        return
    row = dict(zip(header, fields, strict=True))
    weight, reason = _weight(row["weight"])
    if reason:
        yield Fault(row_number, "weight", reason)
    if not row["indicator_code"]:
        yield Fault(row_number, "indicator_code", "it is empty")
    elif not reason:
        index_code, edition = (row.get(column) or None for column in OPTIONAL)
        found.weights.append(GivenWeight(row_number, row["indicator_code"], weight, index_code, edition))


def _weight(text: str) -> tuple[float, str | None]:
    """A weight, and why the text is none."""
    if not text:
        return math.nan, "it is empty; leave the row out to keep the published weight"
    number = text.translate(_HALF_WIDTH)
    try:
        weight = float(number) if number.isascii() and "_" not in number else None
    except ValueError:
        weight = None
    if weight is None:
        return math.nan, f"{in_quotes(text)} is not a number"
    if not math.isfinite(weight):
        return math.nan, f"{in_quotes(text)} is not finite"
    if weight <= 0:
        fault = "negative" if weight < 0 else "zero, or too small to be told from it"
        return math.nan, f"{in_quotes(text)} is {fault}; to leave the indicator out, name it with --exclude-indicator"
    return weight, None
