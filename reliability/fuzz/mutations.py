"""Files of each kind and format that are right, and what happens to files on their way: damage, mixtures, names.

What belongs here: the corpus and the mutations, all from one random generator. Tables that are wrong in what they
say are ``tables``'s.
"""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable, Sequence
from functools import cache

from city_index.contracts import KINDS, contracts
from reliability.fuzz.tables import HostileFile, as_parquet, as_xlsx, good_rows, zipped

_TOKENS = (
    b"\0", b'"', b'""', b",", b"\r", b"\n", b"\r\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xff",
    b"\x80", b"\x1b[31m", b"PK\x03\x04", b"PAR1", b"=1+1", b"1e309", b"nan", b"9" * 400, b"<", b">", b"&",
    b"</row>", b"<row>", b'r="0"', b'r="99999999"', b't="s"', b"<v>-1</v>", b"<!DOCTYPE x [<!ENTITY a 'b'>]>",
    b"&a;", b"\x81", b"\x81\x30", b"\xe5", b"\xb1\xb1", b" " * 1000,
)  # fmt: skip
_SUFFIXES = (".csv", ".parquet", ".xlsx")
_ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "gb18030", "big5", "shift_jis", "latin-1", "cp037", "utf-7")


@cache
def corpus(kind: str) -> dict[str, bytes]:
    """A file of each format, by what it is; the columns are those that the contract requires and two more."""
    contract = contracts()[kind]
    names, rows = good_rows(kind)
    further = [name for name in names if name not in contract.required_names][:2]
    header = [name for name in names if name in contract.required_names or name in further]
    places = [names.index(name) for name in header]
    table = [[row[place] for place in places] for row in rows]
    text = "\n".join(",".join(_quoted(cell) for cell in cells) for cells in [header, *table]) + "\n"
    return {
        "csv utf-8": text.encode(),
        "csv utf-8 with mark": b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
        "csv gb18030": text.encode("gb18030"),
        "parquet": as_parquet(header, table, "varchar", "zstd"),
        "xlsx": as_xlsx(header, table, style=1),
    }


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in ',"\n') else cell


def mutated(rng: random.Random) -> HostileFile:
    """A file of the corpus to which something happened."""
    kind = rng.choice(KINDS)
    form = rng.choice(list(corpus(kind)))
    content = corpus(kind)[form]
    suffix = _SUFFIXES[("parquet" in form) + 2 * ("xlsx" in form)]
    if form == "xlsx" and rng.random() < 0.7:
        content = _workbook(rng, content)
    elif form == "parquet" and rng.random() < 0.6:
        content = _footer(rng, content)
    elif form.startswith("csv") and rng.random() < 0.15:
        content = _recoded(rng, content)
    else:
        content = _bytes(rng, content)
    if rng.random() < 0.03:
        suffix = rng.choice(_SUFFIXES)
    if rng.random() < 0.03:
        kind = rng.choice(KINDS)
    return HostileFile(kind, suffix, content, f"damaged {form.split()[0]}")


def _bytes(rng: random.Random, content: bytes) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        if data:
            _MUTATIONS[rng.randrange(len(_MUTATIONS))](rng, data)
    return bytes(data)


def _span(rng: random.Random, data: bytearray) -> slice:
    start = rng.randrange(len(data))
    return slice(start, min(len(data), start + rng.choice((1, 2, 8, 64, 1024))))


def _flip(rng: random.Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _remove(rng: random.Random, data: bytearray) -> None:
    del data[_span(rng, data)]


def _insert(rng: random.Random, data: bytearray) -> None:
    place = rng.randrange(len(data) + 1)
    data[place:place] = rng.randbytes(rng.choice((1, 2, 8, 64)))


def _insert_token(rng: random.Random, data: bytearray) -> None:
    place = rng.randrange(len(data) + 1)
    data[place:place] = rng.choice(_TOKENS)


def _cut_off(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def _cut_off_the_beginning(rng: random.Random, data: bytearray) -> None:
    del data[: rng.randrange(len(data))]


def _splice(rng: random.Random, data: bytearray) -> None:
    other = rng.choice(list(corpus(rng.choice(KINDS)).values()))
    place, taken = rng.randrange(len(data)), rng.randrange(len(other))
    data[place:] = other[taken:]


def _repeat(rng: random.Random, data: bytearray) -> None:
    span = _span(rng, data)
    data[span] = bytes(data[span]) * rng.choice((2, 3, 50))


def _swap(rng: random.Random, data: bytearray) -> None:
    one, other = _span(rng, data), _span(rng, data)
    data[one], data[other] = data[other], data[one]


def _overwrite(rng: random.Random, data: bytearray) -> None:
    span = _span(rng, data)
    data[span] = bytes([rng.choice((0, 255, 34, 10, 44))]) * (span.stop - span.start)


_MUTATIONS: tuple[Callable[[random.Random, bytearray], None], ...] = (
    _flip, _flip, _remove, _insert, _insert_token, _insert_token, _insert_token, _cut_off, _cut_off_the_beginning,
    _splice, _repeat, _swap, _overwrite,
)  # fmt: skip


def _recoded(rng: random.Random, content: bytes) -> bytes:
    """A part of a file, or all of it, in another encoding."""
    text = content.decode("utf-8", "replace")
    place = rng.choice((0, 0, rng.randrange(len(text))))
    return text[:place].encode() + text[place:].encode(rng.choice(_ENCODINGS), "replace")


def _footer(rng: random.Random, content: bytes) -> bytes:
    """A Parquet file with damage where it says what it holds, or in the length of that."""
    length = int.from_bytes(content[-8:-4], "little")
    if rng.random() < 0.2:
        wrong = rng.choice((0, 1, length - 1, length + 1, 2**31 - 1, 2**32 - 1, len(content)))
        return content[:-8] + wrong.to_bytes(4, "little") + content[-4:]
    body, footer = content[: -8 - length], content[-8 - length : -8]
    footer = _bytes(rng, footer)
    return body + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def _workbook(rng: random.Random, content: bytes) -> bytes:
    """A workbook with damage in one of its members, or in which members it has."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice([*members, "xl/worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"])
    what = rng.random()
    if what < 0.75:
        members[name] = _bytes(rng, members[name])
    elif what < 0.85:
        del members[name]
    elif what < 0.9:
        members[name] = content
    else:
        members = {rng.choice(("../", "/", "xl/", "")) + each: members[each] for each in members}
    rezipped = zipped(members)
    return _bytes(rng, rezipped) if rng.random() < 0.1 else rezipped


def special_files(kinds: Sequence[str] = ("cities", "evidence")) -> list[HostileFile]:
    """Files that are made once: empty, immense in one direction, all of one character."""
    found = []
    for kind in kinds:
        header = ",".join(contracts()[kind].required_names).encode()
        row = ",".join(good_rows(kind)[1][0][: header.count(b",") + 1]).encode()
        wide = b",".join(b"c%d" % number for number in range(10_000))
        contents = {
            "empty": b"",
            "mark alone": b"\xef\xbb\xbf",
            "header alone": header,
            "header and blanks": header + b"\n" * 200_000,
            "blanks first": b"\n\n\n" + header + b"\n" + row,
            "10,000 columns": wide + b"\n" + wide,
            "header of a megabyte": header + b"," * (1 << 20) + b"\n" + row,
            "a line of 5 MB": header + b"\n" + b"x" * (5 << 20),
            "a quoted field of 3 MB": header + b'\n"' + b"x\n" * (3 << 19) + b'",a,b\n' + row,
            "quotes alone": header + b"\n" + b'"' * 300_000,
            "an open quote in each line": header + b"\n" + (b'"' + row + b"\n") * 20_000,
            "commas alone": header + b"\n" + b"," * 1_000_000,
            "NUL alone": header + b"\n" + b"\0" * 1_000_000,
            "returns alone": header.replace(b"\n", b"\r") + b"\r" + b"x\r" * 200_000,
            "spaces alone": b" " * 1_000_000,
            "one row 50,000 times": header + b"\n" + (row + b"\n") * 50_000,
        }
        found += [HostileFile(kind, ".csv", content, "immense") for content in contents.values()]
        rows = [[f"x{number}"] * (header.count(b",") + 1) for number in range(3)]
        names = header.decode().split(",")
        deep = b"<a>" * 100_000
        found += [
            HostileFile(kind, ".xlsx", content, "immense")
            for content in (
                b"",
                zipped({}),
                zipped({"xl/workbook.xml": deep}),
                as_xlsx([], []),
                as_xlsx(names, []),
                as_xlsx(names, rows, first_row=1_048_570),
                as_xlsx(names, [["x" * 40_000, *row[1:]] for row in rows]),
                as_xlsx([f"c{number}" for number in range(10_000)], rows),
                as_xlsx(names, rows) + b"\0" * 70_000,
                b"#!/bin/sh\n" + as_xlsx(names, rows),
            )
        ]
        found += [
            HostileFile(kind, ".parquet", content, "immense")
            for content in (
                b"",
                b"PAR1PAR1",
                b"PAR1" + b"\0" * 8 + b"PAR1",
                as_parquet(names, []),
                as_parquet([f"c{number}" for number in range(10_000)], [], codec="zstd"),
                as_parquet(names, [["x" * 2_000_000, *row[1:]] for row in rows], codec="zstd"),
                as_parquet(names, rows * 10_000, codec="zstd"),
            )
        ]
    return found


def undamaged_files() -> list[HostileFile]:
    """The corpus as it is: what the mutations begin with."""
    return [
        HostileFile(kind, _SUFFIXES[("parquet" in form) + 2 * ("xlsx" in form)], content, form)
        for kind in KINDS
        for form, content in corpus(kind).items()
    ]
