"""Hostile files: never a traceback, never a lost row, never a changed result of 2020.

`make proofs` drops a thousand of them, the suite the first few of each kind.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from hostile import hostile_files
from landing_files import Door, make_door
from support import Published, as_after_an_earlier_night, city_index

from city_index.gates.client import GateClient
from city_index.landing.raw_store import RawStore

LONG_COUNT, SHORT_COUNT = 1000, 230
_PER_LANDING = 115


def lowest_row_count(content: bytes) -> int | None:
    """How many rows a plain CSV file holds at least, counted from its lines; None where lines do not tell."""
    if b'"' in content or b"\0" in content or b"\r" in content:
        return None
    lines = [line for line in content.split(b"\n") if line]
    return len(lines) - 1


def drop(door: Door, kind: str, name: str, content: bytes) -> str:
    """Drop a file; where the file system does not take its name, under a tame one."""
    try:
        door.drop(kind, name, content)
    except OSError:
        name = f"{name[:4]} tame{Path(name).suffix}"
        door.drop(kind, name, content)
    return name


@pytest.fixture(scope="module")
def hostile_home(tmp_path_factory: pytest.TempPathFactory, is_long: bool):
    """A home at whose door the files were dropped, landed behind Great Expectations, with what became of them."""
    door = make_door(tmp_path_factory.mktemp("hostile"))
    door.land_foreign_index()
    faults: Counter[str] = Counter()
    fates: dict[str, Counter[str]] = {}
    counted, count = 0, LONG_COUNT if is_long else SHORT_COUNT
    with GateClient() as gates:
        files = list(hostile_files(count, seed=20201231))
        for start in range(0, count, _PER_LANDING):
            dropped = {}
            for file in files[start : start + _PER_LANDING]:
                name = drop(door, file.kind, file.name, file.content)
                dropped[file.kind, name] = file
                faults[file.fault] += 1
            outcome = door.land(gates.check_landed)
            assert not [check for check in outcome.checks if check.stops_publishing]
            door.account()
            landed = {(batch.record.kind, batch.record.file_sha256): batch.record for batch in outcome.batches}
            for (kind, name), file in dropped.items():
                record = landed.get((kind, hashlib.sha256(file.content).hexdigest()))
                fate = fates.setdefault(file.fault, Counter())
                if record is None:
                    fate["refused or repeated"] += 1
                    continue
                fate["landed"] += 1
                fate["accepted rows"] += record.accepted_count
                fate["quarantined rows"] += record.quarantined_count
                expected = lowest_row_count(file.content) if name.endswith(".csv") else None
                if expected is not None:
                    assert record.received_count == expected, (file, record)
                    counted += 1
            # A refused file stays where it is until a person takes it away, as here.
            for refused in outcome.refused:
                assert refused.reason and refused.detail and "Traceback" not in refused.detail, refused
            for path in list(door.settings.landing.rglob("*")):
                if path.is_file():
                    path.unlink()
    return door, faults, fates, counted


@pytest.mark.slow
def test_no_row_of_a_hostile_file_is_lost(hostile_home, capsys: pytest.CaptureFixture[str]) -> None:
    door, faults, fates, counted = hostile_home
    count = sum(faults.values())
    records = RawStore(door.settings).records()
    received = sum(record.received_count for record in records)
    accepted = sum(record.accepted_count for record in records)
    quarantined = sum(record.quarantined_count for record in records)
    assert accepted + quarantined == received > count
    assert counted > count / 4
    # Every kind of fault was met, and most of the files could be taken.
    assert {fault for fault, fate in fates.items() if fate["landed"]} >= {"truncated", "ragged", "NUL bytes", "quotes"}
    with capsys.disabled():
        print(f"\n{count} hostile files: {received:,} rows = {accepted:,} accepted + {quarantined:,} quarantined")
        for fault, fate in sorted(fates.items()):
            print(f"  {fault}: " + ", ".join(f"{name} {count:,}" for name, count in sorted(fate.items())))


@pytest.mark.slow
def test_the_hostile_files_change_nothing_of_2020(hostile_home, published: Published) -> None:
    door, *_rest = hostile_home
    run = city_index("run", home=as_after_an_earlier_night(door.settings.home, published))
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    query = "select * from {} where index_code = 'medical_digital' and edition = '2020' order by all"
    for table in ("fct_indicator_scores", "fct_city_scores", "fct_cluster_scores", "fct_tier_scores", "rpt_city_index"):
        before, after = (
            _rows(database, query.format(table)) for database in (published.database, door.settings.published_database)
        )
        assert after == before, table
    # What is published for spreadsheets starts no formula.
    text = (door.settings.published / "csv" / "meta_quarantine.csv").read_text(encoding="utf-8-sig")
    limit = csv.field_size_limit(1 << 30)
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    csv.field_size_limit(limit)
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "@", "-", "＝"))]


def _rows(database: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(query).fetchall()
