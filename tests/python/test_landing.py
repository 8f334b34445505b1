"""The landing door: what is accepted, what is quarantined and why, what is refused, and that no row is lost."""

from __future__ import annotations

import os
import shutil
import threading
import time
import zipfile
from pathlib import Path

import duckdb
import openpyxl
import pytest
from landing_files import CITIES, FRAMEWORK, OBSERVATIONS, Door, make_door

from city_index.contracts import KINDS, contracts
from city_index.landing import csv_files, raw_store
from city_index.landing.csv_files import scan
from city_index.landing.door import look
from city_index.landing.raw_store import RawStore


@pytest.fixture
def door(tmp_path: Path) -> Door:
    """A home whose path holds everything that SQL and file patterns could stumble over."""
    return make_door(tmp_path / "it's a [home] *of?mine")


@pytest.fixture
def foreign(door: Door) -> Door:
    """A door behind which the foreign index is known."""
    door.land_foreign_index()
    return door


GOOD = "wellbeing,2024,AUT,lifespan,81.5"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("wellbeing,2024,AUT,lifespan,many", "not a number"),
        ("wellbeing,2024,AUT,lifespan,1_000", "not a number"),
        ("wellbeing,2024,AUT,lifespan,=1+1", "not a number"),
        ("wellbeing,2024,AUT,lifespan,0x1F", "not a number"),
        ("wellbeing,2024,AUT,lifespan,true", "not a number"),
        ("wellbeing,2024,AUT,lifespan,'; drop table x; --", "not a number"),
        ("wellbeing,2024,AUT,lifespan,nan", "not finite"),
        ("wellbeing,2024,AUT,lifespan,-inf", "not finite"),
        ("wellbeing,2024,AUT,lifespan,1e400", "not finite"),
        ("wellbeing,2024,AUT,lifespan,1e301", "not finite"),
        ("wellbeing,2024,AUT,lifespan,100.01", "out of range"),
        ("wellbeing,2024,AUT,lifespan,-0.01", "out of range"),
        ("wellbeing,2024,AUT,lifespan,", "missing value"),
        ("wellbeing,2024,AUT,lifespan,　 ", "missing value"),
        ("wellbeing,2024,ATL,lifespan,50", "unknown city"),
        ("wellbeing,2024,AUT,magic,50", "unknown indicator"),
        ("wellbeing,2024,AUT,health,50", "not a leaf"),
        ("wellbeing,2024,AUT,total,50", "not a leaf"),
        ("wellbeing,1999,AUT,lifespan,50", "unknown edition"),
        ("magic,2024,AUT,lifespan,50", "unknown edition"),
        (",2024,AUT,lifespan,50", "missing key"),
        ("wellbeing, ,AUT,lifespan,50", "missing key"),
        ("wellbeing,2024,,lifespan,50", "missing key"),
        ("wellbeing,2024,AUT,,50", "missing key"),
        ("wellbeing,2024,AUT,lifespan", "malformed row"),
        ("wellbeing,2024,AUT,lifespan,50,60", "malformed row"),
        ('wellbeing,2024,AUT,lifespan,"50', "malformed row"),
        ('wellbeing,2024,"AUT"x,lifespan,50', "malformed row"),
        ("wellbeing,2024,AUT,life\0span,50", "malformed row"),
        ("wellbeing,2024,AUT,life\rspan,50", "malformed row"),
        ("wellbeing,2024,AU\u200bT,lifespan,50", "bad character"),
        ("wellbeing,2024,AU\u202eT,lifespan,50", "bad character"),
        ("wellbeing,2024,AU\x9bT,lifespan,50", "bad character"),
        ("wellbeing,2024,=AUT,lifespan,50", "bad character"),
    ],
)
def test_each_wrong_row_is_quarantined_with_its_reason(foreign: Door, row: str, reason: str) -> None:
    foreign.land_observations(["wellbeing,2024,AUT,doctors,81.5", row, "wellbeing,2024,CHE,lifespan,83.1"])
    assert foreign.quarantined("observations") == [(3, reason)]
    assert foreign.raw("observations", "city_code, value, row_number") == [("AUT", 81.5, 2), ("CHE", 83.1, 4)]
    foreign.account()


def test_a_quarantined_row_says_file_row_text_reason_and_what_to_do(foreign: Door) -> None:
    foreign.land_observations([GOOD, 'wellbeing,2024,ATL,lifespan,"5,5"'], name="it's mine.csv")
    assert foreign.quarantined("observations", "file_name, row_number, raw_row, row_key, detail, reasons") == [
        (
            "it's mine.csv",
            3,
            'wellbeing,2024,ATL,lifespan,"5,5"',
            "wellbeing/2024/ATL/lifespan",
            "value '5,5' is not a number; city_code 'ATL' is not known; land it in a cities file, then this row again",
            ["not a number", "unknown city"],
        )
    ]


@pytest.mark.parametrize("text", ["５０．５", " 50.5 ", "+50.5", "50.5e0", "　50.5"])
def test_numbers_as_people_write_them_are_read(foreign: Door, text: str) -> None:
    foreign.land_observations([f"wellbeing,2024,AUT,lifespan,{text}"])
    assert foreign.raw("observations", "value") == [(50.5,)]


def test_a_key_given_twice(foreign: Door) -> None:
    """Different values: all rows are refused. Equal ones, also as 50 and 50.0: the first is kept."""
    foreign.land_observations(
        [
            "wellbeing,2024,AUT,lifespan,50",
            "wellbeing,2024,AUT,lifespan,51",
            "wellbeing,2024,CHE,lifespan,60",
            "wellbeing,2024,CHE,lifespan,60.0",
            "wellbeing,2024,CHE,lifespan, 60",
            "wellbeing,2024,AUT,doctors,70",
            "wellbeing,2024,AUT,doctors,seventy",
        ]
    )
    assert foreign.raw("observations", "row_number, value") == [(4, 60.0)]
    assert foreign.quarantined("observations") == [
        (2, "ambiguous key"),
        (3, "ambiguous key"),
        (5, "repeated row"),
        (6, "repeated row"),
        (7, "ambiguous key"),
        (8, "not a number"),
    ]
    foreign.account()


def test_dates_texts_and_listed_values(foreign: Door) -> None:
    rows = [
        ("2021-03-05", "a", "observed"),
        ("2021/3/5", "b", ""),
        ("2021-02-30", "c", "observed"),
        ("5.3.2021", "d", "observed"),
        ("epoch", "e", "observed"),
        ("", "f" * 1001, "observed"),
        ("", "=cmd|' /C calc'!A0", "guessed"),
        ("", "bell\a", "observed"),
    ]
    leaves = [(city, leaf) for city in ("AUT", "CHE") for leaf in ("lifespan", "doctors")] * 2
    editions = ["2024"] * 4 + ["2025"] * 4
    foreign.drop("frameworks", "next.csv", FRAMEWORK.replace(",2024,", ",2025,"))
    foreign.drop(
        "observations",
        "dates.csv",
        OBSERVATIONS.strip()
        + ",observed_on,source,provenance\n"
        + "".join(
            f"wellbeing,{edition},{city},{leaf},50,{day},{source},{provenance}\n"
            for edition, (city, leaf), (day, source, provenance) in zip(editions, leaves, rows, strict=True)
        ),
    )
    foreign.land()
    assert foreign.raw("observations", "cast(observed_on as varchar), source") == [
        ("2021-03-05", "a"),
        ("2021-03-05", "b"),
    ]
    assert [reason for _row, reason in foreign.quarantined("observations")] == [
        "bad date",
        "bad date",
        "bad date",
        "text too long",
        "unknown code",
        "bad character",
    ]


TEXTS = {
    "utf-8": (OBSERVATIONS + GOOD + "\n").encode(),
    "utf-8 with a mark": b"\xef\xbb\xbf" + (OBSERVATIONS + GOOD + "\n").encode(),
    "line ends of Windows": (OBSERVATIONS + GOOD + "\n").replace("\n", "\r\n").encode(),
    "line ends of old Macs": (OBSERVATIONS + GOOD + "\n").replace("\n", "\r").encode(),
    "no last line end": (OBSERVATIONS + GOOD).encode(),
    "blank lines": (OBSERVATIONS + "\n" + GOOD + "\n\n\n").encode(),
    "everything quoted": (
        ",".join(f'"{name}"' for name in OBSERVATIONS.strip().split(","))
        + "\n"
        + ",".join(f'"{field}"' for field in GOOD.split(","))
        + "\n"
    ).encode(),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_csv_as_spreadsheets_write_it(foreign: Door, text: bytes) -> None:
    foreign.drop("observations", "x.csv", text)
    foreign.land()
    assert foreign.raw("observations", "city_code, value") == [("AUT", 81.5)]
    assert foreign.waiting() == []


@pytest.mark.parametrize("source", ["统计局", "国家统计局，二〇二四年公报", "naïve café 统计", "𠮷野家"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_text_in_either_encoding(foreign: Door, encoding: str, source: str) -> None:
    text = OBSERVATIONS.strip() + f",source\r\n{GOOD},{source}\r\nwellbeing,2024,CHE,lifespan,5,{source}\r\n"
    foreign.drop("observations", "x.csv", text.encode(encoding))
    foreign.land()
    assert foreign.raw("observations", "source") == [(source,), (source,)]


def test_a_damaged_byte_costs_one_row_and_not_the_reading_of_the_others(foreign: Door) -> None:
    text = OBSERVATIONS.strip() + f",source\n{GOOD},统计局\nwellbeing,2024,CHE,lifespan,5,国家统计局\n"
    damaged = text.encode().replace("国".encode(), "国".encode()[:2])
    foreign.drop("observations", "x.csv", damaged)
    foreign.land()
    assert foreign.raw("observations", "source") == [("统计局",)]
    assert foreign.quarantined("observations") == [(3, "malformed row")]


def test_quoted_fields_hold_commas_quotes_and_line_ends(foreign: Door) -> None:
    header = OBSERVATIONS.strip() + ",source\n"
    foreign.drop(
        "observations",
        "x.csv",
        header + f'{GOOD},"a, ""b""\nand c"\nwellbeing,2024,CHE,lifespan,5,d\nwellbeing,2024,CHE,doctors,no,"e\nf"\n',
    )
    foreign.land()
    assert foreign.raw("observations", "source, row_number") == [('a, "b"\nand c', 2), ("d", 3)]
    assert foreign.quarantined("observations", "row_number, raw_row") == [(4, 'wellbeing,2024,CHE,doctors,no,"e\nf"')]


def test_columns_in_any_order_and_absent_optional_ones(foreign: Door) -> None:
    foreign.drop(
        "observations", "x.csv", "value,indicator_code,city_code,edition,index_code\n5,lifespan,AUT,2024,wellbeing\n"
    )
    foreign.land()
    assert foreign.raw("observations", "city_code, value, source, provenance") == [("AUT", 5.0, None, None)]


def write_parquet(path: Path, query: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"copy ({query}) to '{str(path).replace(chr(39), chr(39) * 2)}' (format parquet)")


def test_parquet(foreign: Door) -> None:
    write_parquet(
        foreign.settings.landing / "observations" / "x.parquet",
        "select 'wellbeing' as index_code, 2024 as edition, 'AUT' as city_code, 'lifespan' as indicator_code, "
        "0.1 + 0.2::double as value, date '2024-05-06' as observed_on "
        "union all select 'wellbeing', 2024, 'CHE', 'lifespan', 'nan', null "
        "union all select 'wellbeing', 2024, 'CHE', 'doctors', null, null",
    )
    foreign.land()
    assert foreign.raw("observations", "value, cast(observed_on as varchar), row_number") == [
        (0.1 + 0.2, "2024-05-06", 1)
    ]
    assert foreign.quarantined("observations") == [(2, "not finite"), (3, "missing value")]


def test_xlsx(foreign: Door) -> None:
    import datetime

    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(["index_code", "edition", "city_code", "indicator_code", "value", "observed_on", "source"])
    sheet.append(["wellbeing", 2024, "AUT", "lifespan", 81.5, datetime.date(2024, 5, 6), "统计局, 局"])
    sheet.append([])
    sheet.append(["wellbeing", 2024.0, "CHE", "lifespan", "８３", datetime.datetime(2024, 5, 6), None])
    sheet.append(["wellbeing", 2024, "CHE", "doctors", "n/a", None, None])
    sheet.append(["wellbeing", 2024, "AUT", "doctors", 5, None, None, "beyond"])
    workbook.create_sheet("ignored").append(["foo"])
    path = foreign.settings.landing / "observations" / "x.xlsx"
    workbook.save(path)
    foreign.land()
    assert foreign.raw("observations", "edition, value, cast(observed_on as varchar), source, row_number") == [
        ("2024", 81.5, "2024-05-06", "统计局, 局", 2),
        ("2024", 83.0, "2024-05-06", None, 4),
    ]
    assert foreign.quarantined("observations") == [(5, "not a number"), (6, "malformed row")]
    foreign.account()


def bad_workbook() -> bytes:
    return b"PK\x03\x04" + bytes(50)


REFUSED_FILES = {
    "extra.csv": (OBSERVATIONS.strip() + ",colour\n" + GOOD + ",red\n", "unknown column"),
    "lacking.csv": ("index_code,edition\nwellbeing,2024\n", "missing column"),
    "twice.csv": (OBSERVATIONS.strip() + ",value\n" + GOOD + ",5\n", "repeated column"),
    "semicolons.csv": ((OBSERVATIONS + GOOD).replace(",", ";"), "not separated by commas"),
    "wide.csv": (",".join(f"c{i}" for i in range(200)) + "\n", "unknown column"),
    "empty.csv": ("", "empty file"),
    "header.csv": (OBSERVATIONS, "no rows"),
    "utf16.csv": ((OBSERVATIONS + GOOD).encode("utf-16"), "unknown encoding"),
    "zeros.csv": (bytes(1000), "not a CSV file"),
    "cut.parquet": (b"PAR1 and so on", "not a Parquet file"),
    "cut.xlsx": (bad_workbook(), "not an XLSX file"),
    "notes.txt": ("hello", "unknown format"),
    "data.csv.gz": (b"\x1f\x8b", "unknown format"),
}


@pytest.mark.parametrize("name", REFUSED_FILES)
def test_files_that_are_refused_are_named_and_stay_where_they_are(foreign: Door, name: str) -> None:
    content, reason = REFUSED_FILES[name]
    foreign.drop("observations", name, content)
    foreign.drop("observations", "good.csv", OBSERVATIONS + GOOD + "\n")
    outcome = foreign.land()
    assert [(file.name, file.reason) for file in outcome.refused] == [(f"observations/{name}", reason)]
    assert RawStore(foreign.settings).refused_files() == outcome.refused
    assert foreign.waiting() == [f"observations/{name}"]
    assert foreign.raw("observations", "value") == [(81.5,)]


def test_an_unknown_column_is_named_with_the_columns_that_are_allowed(foreign: Door) -> None:
    foreign.drop("observations", "x.csv", OBSERVATIONS.strip() + ",colour\n" + GOOD + ",red\n")
    (refused,) = foreign.land().refused
    assert "'colour'" in refused.detail
    assert all(name in refused.detail for name in contracts()["observations"].names)


def test_links_folders_strangers_and_large_files_are_refused_by_name(tmp_path: Path) -> None:
    door = make_door(tmp_path / "home", landing_max_bytes=100)
    outside = tmp_path / "outside.csv"
    outside.write_text(CITIES, encoding="utf-8")
    door.drop("cities", "large.csv", CITIES + "x" * 100)
    (door.settings.landing / "cities" / "link.csv").symlink_to(outside)
    (door.settings.landing / "cities" / "folder").mkdir()
    os.mkfifo(door.settings.landing / "cities" / "pipe.csv")
    (door.settings.landing / "loose.csv").write_text(CITIES, encoding="utf-8")
    door.drop("magic", "x.csv", CITIES)
    (door.settings.landing / "statistics").symlink_to(tmp_path)
    for name in (".hidden.csv", "half.csv.part", "~$open.xlsx"):
        door.drop("cities", name, "whatever")
    assert {file.name: file.reason for file in door.land().refused} == {
        "cities/large.csv": "too large",
        "cities/link.csv": "a link",
        "cities/folder": "a folder",
        "cities/pipe.csv": "not a file",
        "loose.csv": "no kind",
        "magic/x.csv": "unknown kind",
        "statistics": "a link",
    }
    assert door.raw("cities", "city_code") == []


def test_a_file_that_is_still_being_written_is_left_for_the_next_time(tmp_path: Path) -> None:
    door = make_door(tmp_path, landing_settle_seconds=1)
    path = door.drop("cities", "slow.csv", CITIES)
    ended = threading.Event()

    def write_on() -> None:
        number = 0
        while not ended.wait(0.2):
            number += 1
            with path.open("a", encoding="utf-8") as stream:
                stream.write(f"C{number},国,Country\n")

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        (refused,) = door.land().refused
    finally:
        ended.set()
        writer.join()
    assert refused.reason == "still growing"
    assert door.raw("cities", "city_code") == []
    assert door.land().refused == []
    assert len(door.raw("cities", "city_code")) == len(CITIES.splitlines()) - 1 + path_lines_added(door)


def path_lines_added(door: Door) -> int:
    (archived,) = (door.settings.archive / "cities").rglob("slow.csv")
    return len(archived.read_text(encoding="utf-8").splitlines()) - len(CITIES.splitlines())


def test_the_same_file_twice_changes_nothing(foreign: Door) -> None:
    foreign.land_observations([GOOD])
    before = foreign.raw("observations", "*")
    outcome = foreign.land_observations([GOOD], name="another name.csv")
    assert outcome.batches == [] and [name for name, _batch in outcome.repeated] == ["observations/another name.csv"]
    assert foreign.raw("observations", "*") == before
    assert foreign.waiting() == []


def test_the_same_bytes_twice_in_one_landing_are_one_batch(foreign: Door) -> None:
    for name in ("a.csv", "b.csv"):
        foreign.drop("observations", name, OBSERVATIONS + GOOD + "\n")
    outcome = foreign.land()
    assert len(outcome.batches) == 1 and len(outcome.repeated) == 1
    assert len(foreign.raw("observations", "value")) == 1
    assert foreign.waiting() == []


def test_a_later_row_stands_beside_the_one_it_corrects(foreign: Door) -> None:
    foreign.land_observations([GOOD])
    foreign.land_observations(["wellbeing,2024,AUT,lifespan,82"], name="corrected.csv")
    assert foreign.raw("observations", "value, batch_number, file_name") == [
        (81.5, 3, "observations.csv"),
        (82.0, 4, "corrected.csv"),
    ]


def test_files_landed_together_count_in_the_order_of_their_last_change(foreign: Door) -> None:
    later = foreign.drop("observations", "a.csv", OBSERVATIONS + "wellbeing,2024,AUT,lifespan,2\n")
    earlier = foreign.drop("observations", "b.csv", OBSERVATIONS + "wellbeing,2024,AUT,lifespan,1\n")
    now = time.time()
    os.utime(earlier, (now - 100, now - 100))
    os.utime(later, (now - 50, now - 50))
    foreign.land()
    assert foreign.raw("observations", "value") == [(1.0,), (2.0,)]


def test_rows_that_lacked_a_city_are_accepted_when_the_file_is_landed_again(foreign: Door) -> None:
    rows = [GOOD, "wellbeing,2024,LIE,lifespan,83", "wellbeing,2024,LIE,doctors,x"]
    foreign.land_observations(rows)
    foreign.land_observations(["wellbeing,2024,AUT,lifespan,82"], name="corrected.csv")
    assert foreign.land_observations(rows).batches == []
    foreign.drop("cities", "more.csv", "city_code,name_zh,name_en\nLIE,列支敦士登,Liechtenstein\n")
    outcome = foreign.land_observations(rows)
    retry = outcome.batches[-1].record
    assert (retry.received_count, retry.accepted_count, retry.quarantined_count) == (1, 1, 0)
    assert retry.retry_of is not None
    # The row that was accepted the first time is not accepted again: it would undo the correction.
    assert foreign.raw("observations", "city_code, value, row_number") == [
        ("AUT", 81.5, 2),
        ("AUT", 82.0, 2),
        ("LIE", 83.0, 3),
    ]
    assert foreign.land_observations(rows).batches == []
    foreign.account()


def test_the_backfill_of_one_edition_leaves_the_others_alone(foreign: Door) -> None:
    foreign.drop("frameworks", "next.csv", FRAMEWORK.replace(",2024,", ",2025,"))
    foreign.land_observations([f"wellbeing,{edition},LIE,lifespan,83" for edition in (2024, 2025)])
    assert foreign.retry("wellbeing", "2024").batches == []
    foreign.drop("cities", "more.csv", "city_code,name_zh,name_en\nLIE,列支敦士登,Liechtenstein\n")
    foreign.land()
    (batch,) = foreign.retry("wellbeing", "2024").batches
    assert batch.record.accepted_count == 1
    assert foreign.raw("observations", "edition, value") == [("2024", 83.0)]
    assert foreign.retry("wellbeing", "2024").batches == []
    foreign.account()


def test_cities_and_statistics_keep_their_contracts(door: Door) -> None:
    door.drop(
        "cities",
        "c.csv",
        "city_code,name_zh,name_en,longitude,latitude\nAUT,奥地利,Austria,13.3,47.5\nBAD,坏,Bad,181,0\nNON,,None,0,0\n",
    )
    door.drop(
        "statistics",
        "s.csv",
        "city_code,year,statistic_code,value,unit\nAUT,2024,population,9.2e6,people\nAUT,2024.5,population,1,people\n"
        "ATL,2024,population,1,people\nAUT,20245,population,1,people\nAUT,2023,population,-1,\n",
    )
    door.land()
    assert door.raw("cities", "city_code, longitude") == [("AUT", 13.3)]
    assert door.quarantined("cities") == [(3, "out of range"), (4, "missing value")]
    assert door.raw("statistics", "city_code, year, value") == [("AUT", 2024, 9.2e6)]
    assert door.quarantined("statistics") == [
        (3, "not a number"),
        (4, "unknown city"),
        (5, "out of range"),
        (6, "missing value"),
    ]


def test_small_batches_are_merged_without_a_row_changing(foreign: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        foreign.land_observations(
            [f"wellbeing,2024,AUT,lifespan,{number}", f"wellbeing,2024,ATL,lifespan,{number}"], name=f"{number}.csv"
        )
    columns = "batch_id, batch_number, file_name, file_sha256, row_number, value"
    before = (
        foreign.raw("observations", columns),
        foreign.quarantined("observations", "batch_id, row_number, raw_row"),
        RawStore(foreign.settings).records(),
    )
    monkeypatch.setattr(raw_store, "COMPACT_FROM", 5)
    assert foreign.land().merged == {"observations": 5}
    assert len(list((foreign.settings.raw / "observations").iterdir())) == 1
    assert len(list((foreign.settings.quarantine / "observations").iterdir())) == 1
    after = (
        foreign.raw("observations", columns),
        foreign.quarantined("observations", "batch_id, row_number, raw_row"),
        RawStore(foreign.settings).records(),
    )
    assert after == before
    foreign.account()


@pytest.mark.parametrize("left", ["raw", "quarantine"])
def test_merging_that_was_cut_short_before_checksums_were_kept_is_completed(
    foreign: Door, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, left: str
) -> None:
    for number in range(3):
        foreign.land_observations(
            [f"wellbeing,2024,AUT,lifespan,{number}", f"wellbeing,2024,ATL,lifespan,{number}"], name=f"{number}.csv"
        )
    before = foreign.raw("observations", "*"), foreign.quarantined("observations", "*")
    saved = tmp_path / "saved"
    shutil.copytree(getattr(foreign.settings, left) / "observations", saved)
    if left == "quarantine":
        shutil.copytree(foreign.settings.raw / "observations", tmp_path / "raw")
    monkeypatch.setattr(raw_store, "COMPACT_FROM", 3)
    foreign.land()
    # As after a kill: what was merged had not been removed yet, or the merged batches had not been committed.
    shutil.copytree(saved, getattr(foreign.settings, left) / "observations", dirs_exist_ok=True)
    if left == "quarantine":
        shutil.rmtree(foreign.settings.raw / "observations")
        shutil.copytree(tmp_path / "raw", foreign.settings.raw / "observations")
    foreign.settings.landed_files.unlink()
    monkeypatch.setattr(raw_store, "COMPACT_FROM", 64)
    foreign.land()
    assert (foreign.raw("observations", "*"), foreign.quarantined("observations", "*")) == before
    foreign.account()


def test_the_scan_counts_records_as_the_csv_module_does(tmp_path: Path) -> None:
    """The count that no reader makes, at every place where a part of the file may end."""
    import csv
    import io

    texts = [
        "a,b\n1,2\n",
        'a,b\n"1\n2",3\n',
        'a,b\r\n"1\r\n""2""",3\r\n4,5',
        "a,b\n" + '"x""y\n",z\n' * 7,
        "标题,乙\n" + "统计,局\n" * 5,
    ]
    for text in texts:
        path = tmp_path / "x.csv"
        path.write_bytes(text.encode())
        expected = len(list(csv.reader(io.StringIO(text, newline=""))))
        whole = scan(path)
        assert whole.record_count == expected and whole.is_utf8
        for size in range(1, 9):
            csv_files_chunk, csv_files._CHUNK = csv_files._CHUNK, size
            try:
                assert scan(path) == whole, (text, size)
            finally:
                csv_files._CHUNK = csv_files_chunk


def test_the_door_looks_only_at_kinds_it_knows(door: Door) -> None:
    assert set(KINDS) == set(contracts())
    assert look(door.settings) == ([], [])


def test_a_message_holds_nothing_that_a_terminal_would_act_on(foreign: Door) -> None:
    outcome = foreign.land_observations(["wellbeing,2024,AUT,lifespan,\x1b[31mred\x9b"])
    assert outcome.batches and all(sentence.isprintable() for sentence in outcome.sentences())


def test_a_file_that_is_written_anew_while_it_is_landed_is_landed_the_next_time(foreign: Door) -> None:
    path = foreign.drop("observations", "o.csv", OBSERVATIONS + GOOD + "\n")

    def write_anew(batches: list) -> list:
        path.write_text(OBSERVATIONS + "wellbeing,2024,CHE,lifespan,7\n", encoding="utf-8")
        return []

    foreign.land(write_anew)
    assert foreign.waiting() == ["observations/o.csv"]
    foreign.land()
    assert foreign.raw("observations", "city_code, value") == [("AUT", 81.5), ("CHE", 7.0)]


def test_the_younger_of_two_retried_files_counts(foreign: Door) -> None:
    for value, name in ((5, "january.csv"), (6, "february.csv")):
        foreign.land_observations([f"wellbeing,2024,LIE,lifespan,{value}"], name=name)
    foreign.drop("cities", "more.csv", "city_code,name_zh,name_en\nLIE,列支敦士登,Liechtenstein\n")
    foreign.land()
    foreign.land_observations(["wellbeing,2024,LIE,lifespan,5"], name="january.csv")
    assert foreign.raw("observations", "value") == [(5.0,)]
    foreign.land_observations(["wellbeing,2024,LIE,lifespan,6"], name="february.csv")
    assert foreign.raw("observations", "value") == [(5.0,), (6.0,)]
    assert foreign.land_observations(["wellbeing,2024,LIE,lifespan,5"], name="january.csv").batches == []


def test_a_backfill_finds_rows_whose_codes_have_white_space_around_them(foreign: Door) -> None:
    foreign.land_observations([" wellbeing ,　2024 , LIE,lifespan,83"])
    foreign.drop("cities", "more.csv", "city_code,name_zh,name_en\nLIE,列支敦士登,Liechtenstein\n")
    foreign.land()
    assert len(foreign.retry("wellbeing", "2024").batches) == 1


def test_gb18030_is_told_wherever_its_first_character_stands(foreign: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "_SAMPLE", 64)
    rows = [f"wellbeing,2024,C{number},lifespan,5," for number in range(100)] + [GOOD + ",统计局"]
    foreign.drop("observations", "x.csv", (OBSERVATIONS.strip() + ",source\n" + "\n".join(rows)).encode("gb18030"))
    foreign.land()
    assert foreign.raw("observations", "source") == [("统计局",)]


@pytest.mark.parametrize("neighbour", ["", "wellbeing,2024,CHE\n"], ids=["plain file", "beside a malformed row"])
def test_a_row_is_read_alike_whatever_stands_beside_it(foreign: Door, neighbour: str) -> None:
    rows = 'wellbeing,2024,AUT,lifespan,5,\nwellbeing,2024,"AUT" ,doctors,6\nwellbeing,2024,CHE,doctors,7,,,\n'
    foreign.drop("observations", "x.csv", OBSERVATIONS + rows + neighbour)
    foreign.land()
    assert foreign.raw("observations", "value") == [(5.0,), (6.0,), (7.0,)]


def test_commas_at_the_end_of_the_header_are_no_columns(foreign: Door) -> None:
    foreign.drop("observations", "x.csv", OBSERVATIONS.strip() + ",,\n" + GOOD + ",,\n")
    foreign.land()
    assert foreign.raw("observations", "value") == [(81.5,)]


def test_open_quotes_are_tried_once_and_not_at_every_line(foreign: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    original = csv_files._parsed
    monkeypatch.setattr(csv_files, "_parsed", lambda record, encoding: parsed.append(1) or original(record, encoding))
    foreign.land_observations(['a",x,x,x,"'] * 500 + ['"a,x,x,x,x'] * 500)
    assert len(foreign.quarantined("observations")) == 1000
    assert len(parsed) <= 2500
    foreign.account()


def _drop_damaged_workbook(door: Door, before: bytes, after: bytes) -> None:
    """Drop a workbook of two observations in whose first sheet some bytes are others."""
    workbook = openpyxl.Workbook()
    workbook.active.append(OBSERVATIONS.strip().split(","))
    for city in ("AUT", "CHE"):
        workbook.active.append(["wellbeing", "2024", city, "lifespan", 5])
    path = door.settings.landing / "observations" / "x.xlsx"
    workbook.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert before in members["xl/worksheets/sheet1.xml"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content.replace(before, after))


@pytest.mark.parametrize("number", [b"2", b"1", b"10000000", b"2000000000"])
def test_a_workbook_whose_rows_stand_out_of_order_is_refused(foreign: Door, number: bytes) -> None:
    """The reader passes over a row that does not follow the one before, and counts up to one that stands far away."""
    _drop_damaged_workbook(foreign, b'<row r="3"', b'<row r="' + number + b'"')
    (refused,) = foreign.land().refused
    assert refused.reason == "rows out of order"


@pytest.mark.parametrize(
    ("before", "after", "reason", "detail"),
    [
        # The end of a row, and the rows until a cell of another, were lost.
        (
            b'</c></row><row r="3"><c r="A3"',
            b'</c><c r="F3"',
            "cells out of order",
            "cell F3 of the first sheet stands in row 2",
        ),
        (b'r="C3"', b'r="B3"', "cells out of order", "cell B3 of the first sheet does not follow the cell before it"),
        (b'r="C3"', b'r="F3"', "cells out of order", "cell D3 of the first sheet does not follow the cell before it"),
        (b'r="E3"', b'r="ALM3"', "too wide", "row 3 of the first sheet has more than 1,000 columns"),
    ],
)
def test_a_workbook_whose_cells_stand_where_no_cell_does_is_refused(
    foreign: Door, before: bytes, after: bytes, reason: str, detail: str
) -> None:
    """The reader takes a cell for one of the row that it stands in, and of two cells of one place the last."""
    _drop_damaged_workbook(foreign, before, after)
    (refused,) = foreign.land().refused
    assert refused.reason == reason
    assert detail in refused.detail


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'<c r="C3"', b"<c"),
        (b"</row></sheetData>", b'<c r="XFD3" s="0"/></row></sheetData>'),
    ],
    ids=["a cell without its place", "a format far to the right"],
)
def test_a_workbook_whose_cells_follow_each_other_lands(foreign: Door, before: bytes, after: bytes) -> None:
    _drop_damaged_workbook(foreign, before, after)
    assert not foreign.land().refused
    assert foreign.raw("observations", "city_code") == [("AUT",), ("CHE",)]


def test_merging_that_fails_does_not_end_the_landing(foreign: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(raw_store, "COMPACT_FROM", 1)
    monkeypatch.setattr(RawStore, "_merge", full)
    outcome = foreign.land_observations([GOOD])
    assert "No space left on device" in outcome.sentences()[-1]
    assert foreign.raw("observations", "value") == [(81.5,)]
