"""Landing hospitals and evidence: what is read, what is refused, and with which words."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import duckdb
import openpyxl
import pytest
from landing_files import Door, make_door

from city_index.contracts import contracts
from city_index.landing.staging import kind_of

HOSPITALS = "hospital_code,city_code,standard_code,standard_version,grade,assessed_on,beds\n"
EVIDENCE = "evidence_id,city_code,title,published_on,kind,indicator_code,status,url\n"


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return make_door(tmp_path / "home")


def land(door: Door, kind: str, header: str, *rows: str, name: str = "file.csv"):
    door.drop(kind, name, header + "".join(f"{row}\n" for row in rows))
    (batch,) = door.land().batches
    door.account()
    return batch


def reasons(door: Door, kind: str) -> dict[int, str]:
    return dict(door.quarantined(kind))


def test_the_kinds_are_told_from_their_headers() -> None:
    for kind in ("hospitals", "evidence"):
        assert kind_of(list(contracts()[kind].required_names)) == kind
        assert kind_of(list(contracts()[kind].names)) == kind


@pytest.mark.parametrize("grade", ["4", "4.0", "４", "4级", " 4 ", "４级"])
@pytest.mark.parametrize(
    ("version", "day"), [("2018", "2023-05-01"), ("2018版", "2023年5月1日"), ("２０１８", "2023/5/1")]
)
def test_grades_versions_and_days_are_read_in_every_spelling(door: Door, grade: str, version: str, day: str) -> None:
    land(door, "hospitals", HOSPITALS, f"h1,beijing,emr,{version},{grade},{day},300")
    assert door.raw("hospitals", "standard_version") == [("2018",)]
    assert door.raw("hospitals", "grade, assessed_on, beds") == [("4", date(2023, 5, 1), 300)]


def test_a_hospital_that_was_not_assessed_has_no_grade(door: Door) -> None:
    batch = land(door, "hospitals", HOSPITALS, "h1,beijing,emr,2018,,2023-05-01,")
    assert batch.record.accepted_count == 1
    assert door.raw("hospitals", "grade, beds") == [(None, None)]


def test_grades_are_those_of_their_standard_and_version(door: Door) -> None:
    land(
        door,
        "hospitals",
        HOSPITALS,
        "h1,beijing,emr,2018,9,2023-05-01,",
        "h2,beijing,smart_service,2019,6,2023-05-01,",
        "h3,beijing,interoperability,2020,四级甲等,2023-05-01,",
        "h4,beijing,interoperability,2020,4,2023-05-01,",
        "h5,beijing,emr,2018,-1,2023-05-01,",
        "h6,beijing,emr,2018.0,8,2023-05-01,",
        "h7,beijing,emr,2031,12,2023-05-01,",
        "h8,beijing,hims,2018,4,2023-05-01,",
        "h9,atlantis,emr,2018,4,2023-05-01,",
        "h10,beijing,emr,2018,4,2023-02-30,",
        "h11,beijing,emr,2018,4,2023-05-01,-5",
        "h12,beijing,emr,2018,4.5,2023-05-01,",
        "h13,beijing,emr,2018,4,,",
        "h14,beijing,emr,2018,4,2999-06-30,",
        "h15,beijing,emr,2018,4,0001-01-01,",
    )
    assert reasons(door, "hospitals") == {
        2: "unknown grade",
        3: "unknown grade",
        5: "unknown grade",
        6: "bad character",
        9: "unknown standard",
        10: "unknown city",
        11: "bad date",
        12: "out of range",
        13: "unknown grade",
        14: "missing key",
        15: "out of range",
        16: "out of range",
    }
    details = dict(door.quarantined("hospitals", "row_number, detail"))
    assert details[2] == "grade '9' is no grade of 'emr' '2018'; its grades are: 0, 1, 2, 3, 4, 5, 6, 7, 8"
    assert "standards are: emr, interoperability, smart_management, smart_service" in details[9]
    # A version that nobody has described takes any grade.
    assert door.raw("hospitals", "hospital_code, standard_version, grade") == [
        ("h3", "2020", "四级甲等"),
        ("h6", "2018", "8"),
        ("h7", "2031", "12"),
    ]


def test_one_day_in_two_spellings_is_one_key(door: Door) -> None:
    land(
        door,
        "hospitals",
        HOSPITALS,
        "h1,beijing,emr,2018,4,2023-05-01,",
        "h1,beijing,emr,2018,5,2023/5/1,",
        "h2,beijing,emr,2018,4,2023-05-01,",
        "h2,beijing,emr,2018,4.0,2023/05/01,",
    )
    assert reasons(door, "hospitals") == {2: "ambiguous key", 3: "ambiguous key", 5: "repeated row"}
    assert door.raw("hospitals", "hospital_code, grade") == [("h2", "4")]


def test_numbers_of_spreadsheets_and_parquet_are_grades_and_versions(door: Door, tmp_path: Path) -> None:
    parquet = tmp_path / "grades.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "copy (select 'h' || i as hospital_code, 'beijing' as city_code, 'emr' as standard_code, "
            "2018.0::double as standard_version, case when i > 1 then i::double end as grade, "
            f"date '2023-05-01' as assessed_on from range(1, 5) as t(i)) to '{parquet}'"
        )
    door.drop("hospitals", "grades.parquet", parquet.read_bytes())
    workbook = openpyxl.Workbook()
    workbook.active.append(HOSPITALS.strip().split(","))
    workbook.active.append(["x1", "beijing", "emr", 2018, 4, date(2023, 5, 1), 300])
    stream = io.BytesIO()
    workbook.save(stream)
    door.drop("hospitals", "grades.xlsx", stream.getvalue())
    assert [batch.record.quarantined_count for batch in door.land().batches] == [0, 0]
    assert door.raw("hospitals", "standard_version, grade") == [
        ("2018", None),
        ("2018", "2"),
        ("2018", "3"),
        ("2018", "4"),
        ("2018", "4"),
    ]


def test_evidence_is_read_with_its_codes_in_several_spellings(door: Door) -> None:
    land(
        door,
        "evidence",
        EVIDENCE,
        "e1,beijing,处方流转,2023-05-01,policy,,,",
        "e2,beijing,处方流转二,2023-05-01,Cases,infra_cloud_imaging,LIVE,https://a.example/x?y=1",
        "e3,beijing,处方流转三,2023-05-01,平台,,试点,HTTP://a.example",
    )
    assert door.quarantined("evidence") == []
    assert door.raw("evidence", "kind, status, indicator_code") == [
        ("policy", None, None),
        ("case", "live", "infra_cloud_imaging"),
        ("platform", "pilot", None),
    ]


def test_evidence_that_is_wrong_comes_back_with_its_reason(door: Door) -> None:
    land(
        door,
        "evidence",
        EVIDENCE,
        "e1,beijing,,2023-05-01,policy,,,",
        "e2,beijing,标题,someday,policy,,,",
        "e3,beijing,标题,2023-05-01,rumour,,,",
        "e4,beijing,标题,2023-05-01,policy,infra_cloud,,",
        "e5,beijing,标题,2023-05-01,policy,no_such,,",
        "e6,beijing,标题,2023-05-01,policy,,done,",
        "e7,beijing,标题,2023-05-01,policy,,,javascript:alert(1)",
        "e8,beijing,标题,2023-05-01,policy,,,www.example.org",
        "e9,beijing,标题,2023-05-01,policy,,,https://a.example/a b",
        "e10,atlantis,标题,2023-05-01,policy,,,",
        ",beijing,标题,2023-05-01,policy,,,",
        f"e12,beijing,{'长' * 1001},2023-05-01,policy,,,",
        "e13,beijing,\u2060,2023-05-01,policy,,,",
        "e14,beijing,标题,2999-01-01,policy,,,",
    )
    assert reasons(door, "evidence") == {
        2: "missing value",
        3: "bad date",
        4: "unknown code",
        5: "unknown indicator",
        6: "unknown indicator",
        7: "unknown code",
        8: "bad address",
        9: "bad address",
        10: "bad address",
        11: "unknown city",
        12: "missing key",
        13: "text too long",
        14: "missing value",
        15: "out of range",
    }
    assert door.raw("evidence", "*") == []


def test_a_label_may_name_a_leaf_of_any_framework(door: Door) -> None:
    door.land_foreign_index()
    land(door, "evidence", EVIDENCE, "e1,AUT,Titel,2023-05-01,case,lifespan,,")
    assert door.quarantined("evidence") == []


def test_a_row_that_waited_for_its_city_is_taken_when_the_file_comes_again(door: Door) -> None:
    row = "h1,AUT,emr,2018,4,2023-05-01,"
    assert land(door, "hospitals", HOSPITALS, row).record.quarantined_count == 1
    door.land_foreign_index()
    door.drop("hospitals", "again.csv", HOSPITALS + row + "\n")
    (batch,) = door.land().batches
    assert (batch.record.accepted_count, batch.record.retry_of is not None) == (1, True)
    assert door.raw("hospitals", "hospital_code, city_code") == [("h1", "AUT")]


def test_a_demonstration_takes_no_observation(door: Door) -> None:
    outcome = door.land_observations(["medical_digital,demo,beijing,infra_cloud_imaging,12"])
    assert outcome.batches[0].reasons == {"synthetic edition": 1}
    assert "made from synthetic records alone" in outcome.batches[0].sentence()
