"""Hostile files for the landing door, made from a seed: each with its name and kind, and whether it can hold rows.

None of them holds a row that would be right for edition 2020 of the report's index.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass

from landing_files import CITIES, FRAMEWORK


@dataclass(frozen=True)
class HostileFile:
    """A file to drop: where, under which name, with which bytes, and what is wrong with it."""

    kind: str
    name: str
    content: bytes
    fault: str


_HEADERS = {
    "cities": "city_code,name_zh,name_en",
    "frameworks": "index_code,edition,indicator_code,parent_code,name_zh,name_en,weight",
    "observations": "index_code,edition,city_code,indicator_code,value",
    "statistics": "city_code,year,statistic_code,value,unit",
}
_NAMES = (
    "plain", "it's quoted", 'double "quoted"', "with space", "se;mi", "star*", "what?", "[brackets]", "new\nline",
    "tab\t", "中文", "back\\slash", "$(touch x)", "`id`", "..", "%2e%2e", "-rf", "a" * 200, "{brace}", "x=1", "é", "😀",
)  # fmt: skip
_HUGE = ("1e308", "-1e308", "1e309", "9" * 400, "1e-400", "0." + "0" * 300 + "1", "1e99999", "NaN", "Infinity")
_FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "@SUM(A1)", "-2+3", "\t=1", "＝1+1")
_SQL = (
    "'; drop table raw; --", "1); delete from x; --", "' or '1'='1", "${x}", "{{ ref('stg_cities') }}", "%s", "$1",
    "1 union select 2", "\\", "'",
)  # fmt: skip


def _rows(random_: random.Random, kind: str, count: int) -> list[str]:
    """Rows that are mostly right, of the foreign index or, for observations of 2020, never right."""
    if kind == "cities":
        return [f"X{random_.randrange(10**6)},城,City" for _ in range(count)]
    if kind == "statistics":
        return [f"{random_.choice(['AUT', 'CHE', 'beijing', 'ATL'])},1950,sheep,{i},head" for i in range(count)]
    if kind == "frameworks":
        return FRAMEWORK.replace(",2024,", f",x{random_.randrange(10**6)},").splitlines()[1:]
    rows = []
    for i in range(count):
        if random_.random() < 0.1:
            rows.append(f"medical_digital,2020,beijing,infra_platform_population_db,{random_.choice(_SQL)}{i}")
        else:
            city, leaf = random_.choice(["AUT", "CHE", "ATL"]), random_.choice(["lifespan", "doctors", "health"])
            rows.append(f"wellbeing,{random_.choice(['2024', '2024', '1999'])},{city},{leaf},{random_.randrange(120)}")
    return rows


def _text(random_: random.Random, kind: str, rows: list[str]) -> str:
    return "\n".join([_HEADERS[kind], *rows]) + "\n"


def _replace_field(random_: random.Random, row: str, value: str) -> str:
    fields = row.split(",")
    fields[random_.randrange(len(fields))] = value
    return ",".join(fields)


def _parquet(kind: str, random_: random.Random) -> bytes:
    import tempfile
    from pathlib import Path

    import duckdb

    values = random_.choice(
        ["'x'", "null", "[1, 2]", "{'a': 1}", "'nan'::double", "date '2020-01-01'", "'\\x00\\xff'::blob", "1::hugeint"]
    )
    columns = ", ".join(f"{values} as {name}" for name in _HEADERS[kind].split(","))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"
        with duckdb.connect() as connection:
            connection.execute(f"copy (select {columns} from range({random_.randrange(1, 50)})) to '{path}'")
        return path.read_bytes()


def _xlsx(kind: str, random_: random.Random) -> bytes:
    import openpyxl

    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(_HEADERS[kind].split(","))
    for _ in range(random_.randrange(1, 20)):
        sheet.append([random_.choice(["x", 1, 1.5, None, "=1+1", True, "#DIV/0!"]) for _ in _HEADERS[kind].split(",")])
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def _content(random_: random.Random, kind: str, fault: str) -> bytes:
    rows = _rows(random_, kind, random_.randrange(1, 30))
    text = _text(random_, kind, rows)
    place = random_.randrange(len(rows))
    if fault == "truncated":
        data = text.encode()
        return data[: random_.randrange(1, len(data))]
    if fault == "ragged":
        rows[place] += "," * random_.randrange(1, 4) if random_.random() < 0.5 else ""
        rows[-1] = rows[-1].rpartition(",")[0]
        return _text(random_, kind, rows).encode()
    if fault == "NUL bytes":
        data = bytearray(text.encode())
        for _ in range(random_.randrange(1, 5)):
            data[random_.randrange(len(data))] = 0
        return bytes(data)
    if fault == "wrong encoding":
        rows.append(_replace_field(random_, rows[0], "统计局é"))
        encoding = random_.choice(["utf-16", "utf-16-le", "utf-32", "gb18030", "latin-1", "big5", "shift_jis"])
        return _text(random_, kind, rows).encode(encoding, "replace")
    if fault == "random bytes":
        data = bytearray(text.encode())
        for _ in range(random_.randrange(1, 20)):
            data[random_.randrange(len(data))] = random_.randrange(128, 256)
        return bytes(data)
    if fault == "noise":
        return random_.randbytes(random_.randrange(1, 5000))
    if fault == "duplicate keys":
        return _text(random_, kind, [*rows, *rows, _replace_field(random_, rows[place], "7")]).encode()
    if fault == "swapped columns":
        header = _HEADERS[kind].split(",")
        random_.shuffle(header)
        return "\n".join([",".join(header), *(row for row in rows if "medical" not in row)]).encode() + b"\n"
    if fault in ("huge numbers", "formula text", "SQL text"):
        given = {"huge numbers": _HUGE, "formula text": _FORMULAS, "SQL text": _SQL}[fault]
        rows = [_replace_field(random_, row, random_.choice(given)) for row in rows]
        return _text(random_, kind, rows).encode()
    if fault == "quotes":
        rows[place] = _replace_field(
            random_, rows[place], random_.choice(['"', '"x', 'x"', '""', '"x""', '"a"b', '"\n'])
        )
        return _text(random_, kind, rows).encode()
    if fault == "line ends":
        return text.replace("\n", random_.choice(["\r", "\r\n", "\n\n", "\r\n\n", "\n\r"])).encode()
    if fault == "mixed line ends":
        return "".join(line + random_.choice(["\n", "\r\n", "\r"]) for line in text.splitlines()).encode()
    if fault == "empty":
        return random_.choice([b"", b"\n", b"\xef\xbb\xbf", b" ", b"\r\n\r\n", b"\0"])
    if fault == "header only":
        return (_HEADERS[kind] + random_.choice(["", "\n", "\n\n", "\r\n"])).encode()
    if fault == "200 columns":
        return _text(random_, kind, rows).replace(_HEADERS[kind], ",".join(f"c{i}" for i in range(200))).encode()
    if fault == "long text":
        rows[place] = _replace_field(random_, rows[place], "x" * random_.choice([1001, 70_000, 1_100_000]))
        return _text(random_, kind, rows).encode()
    if fault == "other kind":
        return CITIES.encode() if kind != "cities" else FRAMEWORK.encode()
    if fault == "Parquet":
        return _parquet(kind, random_)
    if fault == "truncated Parquet":
        data = _parquet(kind, random_)
        return data[: random_.randrange(1, len(data))]
    if fault == "XLSX":
        return _xlsx(kind, random_)
    data = _xlsx(kind, random_)
    return data[: random_.randrange(1, len(data))]


FAULTS = (
    "truncated", "ragged", "NUL bytes", "wrong encoding", "random bytes", "noise", "duplicate keys", "swapped columns",
    "huge numbers", "formula text", "SQL text", "quotes", "line ends", "mixed line ends", "empty", "header only",
    "200 columns", "long text", "other kind", "Parquet", "truncated Parquet", "XLSX", "truncated XLSX",
)  # fmt: skip


def hostile_files(count: int, seed: int) -> Iterator[HostileFile]:
    """So many hostile files, the same for the same seed."""
    random_ = random.Random(seed)
    for number in range(count):
        fault = FAULTS[number % len(FAULTS)]
        kind = random_.choice(list(_HEADERS))
        suffix = ".parquet" if "Parquet" in fault else ".xlsx" if "XLSX" in fault else ".csv"
        name = f"{number:04d} {random_.choice(_NAMES)}{suffix}"
        yield HostileFile(kind, name, _content(random_, kind, fault), fault)
