"""Hostile files at the landing door: landed as the nightly job lands them, and every row of them accounted for.

What belongs here: landing many files together, and holding what stands in the home afterwards against what was dropped.
The files are ``tables``'s and ``mutations``'s.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import random
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import given

from city_index.contracts import KINDS
from city_index.database import parquet_rows
from reliability.fuzz.counts import row_count
from reliability.fuzz.drawing import drawn
from reliability.fuzz.mutations import mutated, special_files
from reliability.fuzz.tables import HostileFile, files
from reliability.fuzz.tally import ACCEPTED, REFUSED, Tally
from reliability.fuzz.worker import Answer, Worker

# How many files are dropped together, beside a good one.
_TOGETHER = 40

# What one file may take, and what those dropped together may.
SECONDS = 30
_SECONDS_TOGETHER = 120

# DuckDB may have half a gigabyte; the rest is Python's libraries, and a file that is held against its bounds.
_MEMORY_BYTES = 3 << 29

_GOOD = b"city_code,name_zh,name_en\nX%d,\xe5\x9f\x8e,City\n"

# The product's own words for a file that fails in a way nobody foresaw.
_NOT_FORESEEN = "could not be landed"


def hostile_files(cases: int, seed_number: int) -> Iterator[HostileFile]:
    """So many hostile files: a third drawn tables, two thirds mutations."""
    tables: list[HostileFile] = []

    @drawn(max(cases // 3, 1), seed_number)
    @given(file=files())
    def keep(file: HostileFile) -> None:
        tables.append(file)

    keep()
    yield from tables
    rng = random.Random(seed_number)
    for _ in range(cases - len(tables)):
        yield mutated(rng)


def try_landings(tallies: dict[str, Tally], folder: Path, given_files: Iterable[HostileFile]) -> None:
    """Land files, many together.

    Args:
        tallies: by kind, where they are counted.
        folder: a new folder, for the homes.
        given_files: the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remaining = iter(given_files)
    with Worker() as worker:
        for number in range(1_000_000):
            together = list(islice(remaining, _TOGETHER))
            if not together:
                return
            _try_together(tallies, worker, folder / f"home{number}", together)


def special() -> list[HostileFile]:
    """The files that are immense in one direction."""
    return special_files()


def _try_together(tallies: dict[str, Tally], worker: Worker, home: Path, together: list[HostileFile]) -> None:
    """Land files together; where that goes wrong, one by one, so that the one it was is known."""
    dropped = drop(home, together)
    answer = worker.ask("land", _SECONDS_TOGETHER, home=str(home))
    wrong = _wrong(answer)
    if wrong is None:
        account(tallies, home, dropped, answer.said)
    elif len(together) == 1:
        (file,) = together
        tally = tallies[file.kind]
        tally.count("broken")
        tally.violate(wrong, answer.problem or f"{answer.seconds:.0f} s, {answer.memory_bytes:,} bytes", file.form,
                      {f"x{file.suffix}": file.content})  # fmt: skip
        worker.end()
    else:
        worker.end()
        for number, file in enumerate(together):
            _try_together(tallies, worker, home.with_name(f"{home.name}_{number}"), [file])
    shutil.rmtree(home, ignore_errors=True)


def _wrong(answer: Answer) -> str | None:
    """What is wrong with a landing as a whole."""
    if answer.said is None:
        return "the landing hung or died" if "Traceback" not in answer.problem else "an exception got out"
    if answer.memory_bytes > _MEMORY_BYTES:
        return "too much memory"
    return None


def drop(home: Path, together: list[HostileFile]) -> dict[tuple[str, str], HostileFile]:
    """Put files into a landing folder, and a good one last; gives them by kind and name."""
    dropped = {}
    for number, file in enumerate(together):
        folder = home / "landing" / file.kind
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{number}{file.suffix}"
        (folder / name).write_bytes(file.content)
        os.utime(folder / name, (1_700_000_000 + number,) * 2)
        dropped[file.kind, name] = file
    good = home / "landing" / "cities" / "good.csv"
    good.parent.mkdir(parents=True, exist_ok=True)
    good.write_bytes(_GOOD % int.from_bytes(hashlib.sha256(home.name.encode()).digest()[:6], "big"))
    return dropped


def account(
    tallies: dict[str, Tally], home: Path, dropped: dict[tuple[str, str], HostileFile], said: dict[str, Any]
) -> None:
    """Hold what stands in a home after a landing against the files that were dropped."""
    batches = {(record["kind"], record["file_name"]): record for record in said["batches"]}
    refused = {each["name"]: each for each in said["refused"]}
    repeated = {name for name, _batch in said["repeated"]}
    rows = _rows_by_batch(home)
    good = batches.get(("cities", "good.csv"))
    if good is None or good["accepted_count"] != 1:
        next(iter(tallies.values())).violate("a good file beside hostile ones was not landed", str(said["sentences"]))
    for (kind, name), file in dropped.items():
        problem, fate = _judge(home, kind, name, file, batches.get((kind, name)), refused, repeated, rows)
        tallies[kind].count(fate)
        record = batches.get((kind, name))
        if record is not None:
            tallies[kind].figures["rows"] += record["received_count"]
            tallies[kind].figures["rows quarantined"] += record["quarantined_count"]
            tallies[kind].figures["counted"] += row_count(file.suffix, file.content) is not None
        if f"{kind}/{name}" in refused:
            tallies[kind].figures[f"reason: {refused[f'{kind}/{name}']['reason']}"] += 1
        if problem is not None:
            tallies[kind].violate(*problem, file.form, {name: file.content})
    if (home / "landing_work").exists():
        next(iter(tallies.values())).violate("the folder of a landing stayed behind", str(home))


def _judge(
    home: Path,
    kind: str,
    name: str,
    file: HostileFile,
    record: dict[str, Any] | None,
    refused: dict[str, dict[str, Any]],
    repeated: set[str],
    rows: dict[str, tuple[list[tuple], list[tuple]]],
) -> tuple[tuple[str, str] | None, str]:
    """What was promised of a file and not kept, as promise and detail; and its fate."""
    path, label = home / "landing" / kind / name, f"{kind}/{name}"
    fates = [fate for fate, held in (("batch", record), ("refused", label in refused), ("repeated", label in repeated))
             if held]  # fmt: skip
    if len(fates) != 1:
        return ("a file with no fate, or two", str(fates)), "broken"
    if fates == ["repeated"]:
        return (None if not path.exists() else ("a repeated file stayed", name)), ACCEPTED
    if fates == ["refused"]:
        fault = refused[label]
        if not path.exists() or path.read_bytes() != file.content:
            return ("a refused file went away", str(fault)), REFUSED
        said = f"{fault['reason']}: {fault['detail']}"
        if fault["reason"] == _NOT_FORESEEN or not fault["reason"] or not fault["detail"] or len(said) > 3000:
            return ("a refusal that nobody foresaw", said), REFUSED
        return None, REFUSED
    return _judge_batch(path, file, record, *rows.get(record["batch_id"], ([], []))), ACCEPTED


def _judge_batch(
    path: Path, file: HostileFile, record: dict[str, Any], accepted: list[tuple], quarantined: list[tuple]
) -> tuple[str, str] | None:
    """What was promised of a landed file and not kept."""
    if path.exists():
        return "a landed file stayed in the landing folder", str(record)
    counts = len(accepted), len(quarantined)
    if sum(counts) != record["received_count"] or counts != (record["accepted_count"], record["quarantined_count"]):
        return "accepted and quarantined are not what was received", f"{counts} rows stand there; {record}"
    numbers = [row[0] for row in accepted + quarantined]
    # A Parquet file has no header row.
    first = 1 if file.suffix == ".parquet" else 2
    if len(set(numbers)) != len(numbers) or any(number < first for number in numbers):
        return "rows without a number of their own", str(sorted(numbers)[:20])
    for row_number, raw_row, reason, detail, file_name in quarantined:
        if raw_row is None or not reason or not detail or file_name != path.name:
            return "a quarantined row without all of its account", str((row_number, raw_row, reason, detail, file_name))
    expected = row_count(file.suffix, file.content)
    if expected is not None and expected != record["received_count"]:
        return "rows lost or made", f"another reader finds {expected}; {record}"
    if file.rows is not None:
        for row_number, raw_row, *_rest in quarantined:
            told = _differs(file.rows, row_number - first, raw_row)
            if told:
                return "a quarantined row is not as it stood", told
    return None


def _differs(rows: list[list[str]], place: int, raw_row: str) -> str | None:
    """How a quarantined row differs from what was written, where the text of both can be the same."""
    if place >= len(rows):
        return f"there is no row {place}"
    fields = rows[place]
    if any(mark in field for field in fields for mark in ("\r", "\0")) or any(map(_has_surrogate, fields)):
        return None
    before = csv.field_size_limit(1 << 30)
    try:
        found = next(csv.reader(io.StringIO(raw_row, newline=""), strict=True), [])
    except csv.Error as error:
        return f"row {place}: {error}: {raw_row[:200]!r}"
    finally:
        csv.field_size_limit(before)
    # Empty fields at the end of a row hold nothing, whatever their number.
    if _without_empty_end(found) != _without_empty_end(fields):
        return f"row {place}: {_told(found)} and not {_told(fields)}"
    return None


def _told(fields: list[str]) -> str:
    return repr([field if len(field) < 60 else f"{field[:60]}... {len(field)}" for field in fields])[:500]


def _without_empty_end(fields: list[str]) -> list[str]:
    while fields and not fields[-1]:
        fields = fields[:-1]
    return fields


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _rows_by_batch(home: Path) -> dict[str, tuple[list[tuple], list[tuple]]]:
    """Accepted rows (number) and quarantined ones (number, raw text, reason, detail, file) of each batch."""
    found: dict[str, tuple[list[tuple], list[tuple]]] = defaultdict(lambda: ([], []))
    with duckdb.connect() as connection:
        for kind in KINDS:
            for place, (folder, columns) in enumerate((
                ("raw", "row_number"),
                ("quarantine", "row_number, raw_row, reason, detail, file_name"),
            )):  # fmt: skip
                paths = sorted((home / folder / kind).glob("*.parquet"))
                if paths:
                    for batch_id, *row in connection.execute(
                        f"select batch_id, {columns} from {parquet_rows(paths)}"
                    ).fetchall():
                        found[batch_id][place].append(tuple(row))
    return found
