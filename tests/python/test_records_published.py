"""Hospitals and evidence from the landing folder to what is published: a night, and what the next one corrects."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import Published, city_index, copy_home, rows, rows_of_edition

pytestmark = pytest.mark.slow

RECORD_TABLES = (
    "dim_hospitals",
    "dim_standards",
    "dim_standard_grades",
    "fct_hospital_grades",
    "fct_city_smart_hospitals",
    "fct_derived_observations",
    "fct_indicator_values",
    "fct_evidence",
    "fct_indicator_evidence",
    "fct_development_milestones",
    "rpt_score_trace",
)

HOSPITALS = "hospital_code,city_code,standard_code,standard_version,grade,assessed_on,beds\n"
EVIDENCE = "evidence_id,city_code,title,published_on,kind,url\n"


def test_every_table_of_records_is_published_with_rows(published: Published) -> None:
    for table in RECORD_TABLES:
        ((count,),) = rows(published.database, f"select count(*) from {table}")
        assert count > 0, table


def test_the_demonstration_is_synthetic_wherever_it_is_shown(published: Published) -> None:
    database = published.database
    assert rows(database, "select edition, is_synthetic from dim_editions order by 1") == [
        ("2020", False),
        ("demo", True),
    ]
    ((wrong,),) = rows(
        database,
        "select count(*) from rpt_city_index where (edition = 'demo') <> (notice_en like 'A demonstration made from "
        "synthetic records%' and notice_zh like '%虚构%')",
    )
    assert wrong == 0
    assert rows(database, "select distinct provenance from fct_indicator_scores where edition = 'demo' order by 1") == [
        ("derived",),
        (None,),
    ]
    for table in ("dim_hospitals", "fct_hospital_grades", "fct_evidence", "fct_derived_observations"):
        assert rows(database, f"select distinct is_synthetic from {table}") == [(True,)], table
    assert "demo: 31 cities from synthetic records, a demonstration" in published.run.stdout
    assert "示例版" not in published.run.stdout


def test_2020_rests_on_its_own_observations_alone(published: Published) -> None:
    database = published.database
    assert rows(database, "select distinct provenance, rule_code from fct_indicator_scores where edition = '2020'") == [
        ("reconstructed", None)
    ]
    for table in ("fct_derived_observations", "fct_indicator_evidence"):
        assert rows(database, f"select count(*) from {table} where edition = '2020'") == [(0,)], table


@pytest.fixture(scope="module")
def landed(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which real records of an edition 2024 have landed, one night after the other."""
    folder = tmp_path_factory.mktemp("records")
    home = copy_home(published.home, folder / "home")
    framework = rows(
        published.database,
        "select indicator_code, coalesce(parent_code, ''), name_zh, name_en, weight from dim_indicators "
        "where edition = '2020' order by level",
    )
    (folder / "frameworks.csv").write_text(
        "index_code,edition,indicator_code,parent_code,name_zh,name_en,weight\n"
        + "".join(
            f'medical_digital,2024,{code},{parent},{zh},"{en.replace(chr(34), chr(34) * 2)}",{weight}\n'
            for code, parent, zh, en, weight in framework
        ),
        encoding="utf-8",
    )
    (folder / "observations.csv").write_text(
        "index_code,edition,city_code,indicator_code,value\n"
        "medical_digital,2024,beijing,infra_cloud_imaging,70\n"
        "medical_digital,2024,wuhan,infra_cloud_imaging,60\n"
        "medical_digital,2024,wuhan,hospital_intra_app_emr,11\n",
        encoding="utf-8",
    )
    (folder / "hospitals.csv").write_text(
        HOSPITALS
        + "b1,beijing,emr,2018,4,2019-03-01,300\nb1,beijing,emr,2018,6,2024-03-01,300\n"
        + "b2,beijing,emr,2018,2,2024-03-01,100\nw1,wuhan,emr,2018,8,2024-03-01,100\n"
        + "x1,beijing,emr,2018,9,2024-03-01,100\n",
        encoding="utf-8",
    )
    (folder / "evidence.csv").write_text(
        EVIDENCE
        + "r1,beijing,全市远程会诊平台正式上线,2024-05-01,platform,https://records.example/1\n"
        + "r2,beijing,【转载】全市远程会诊平台上线,2024-06-01,platform,https://records.example/2\n",
        encoding="utf-8",
    )
    names = ("frameworks", "observations", "hospitals", "evidence")
    ingested = city_index("ingest", *(str(folder / f"{name}.csv") for name in names), home=home)
    assert ingested.returncode == 0, ingested.stderr
    run = city_index("run", home=home)
    assert run.returncode == 0, run.stderr
    assert "hospitals/hospitals.csv: 4 of 5 rows accepted, 1 quarantined (unknown grade 1)" in run.stdout
    return home


def database_of(home: Path) -> Path:
    return home / "published" / "city_index.duckdb"


def leaves(home: Path, city: str) -> dict[str, tuple]:
    return {
        code: (score, provenance, rule_code)
        for code, score, provenance, rule_code in rows(
            database_of(home),
            "select indicator_code, score, provenance, rule_code from fct_indicator_scores "
            f"where edition = '2024' and city_code = '{city}' and level = 3 and score is not null",
        )
    }


def test_landed_records_fill_the_gaps_of_a_real_edition(landed: Path) -> None:
    rule = "hospitals_hospital_intra_app_emr"
    assert leaves(landed, "beijing") == {
        "infra_cloud_imaging": (70, "observed", None),
        "hospital_intra_app_emr": (pytest.approx((300 * 75 + 100 * 25) / 400), "derived", rule),
        "infra_cloud_teleconsultation": (80, "derived", "evidence_infra_cloud_teleconsultation"),
    }
    # What somebody observed stands before what the records would give.
    assert leaves(landed, "wuhan") == {
        "infra_cloud_imaging": (60, "observed", None),
        "hospital_intra_app_emr": (11, "observed", None),
    }
    assert rows(
        database_of(landed),
        "select value, is_used, used_provenance from fct_derived_observations "
        "where edition = '2024' and city_code = 'wuhan'",
    ) == [(100, False, "observed")]
    assert rows(database_of(landed), "select evidence_id, duplicate_of from fct_evidence where not is_synthetic") == [
        ("r1", None),
        ("r2", "r1"),
    ]


def test_records_of_later_days_leave_2020_as_it_was(landed: Path, published: Published) -> None:
    before = rows_of_edition(published.database, "medical_digital", "2020")
    after = rows_of_edition(database_of(landed), "medical_digital", "2020")
    assert {table for table in before if before[table] != after[table]} <= {"fct_scenario_scores"}
    smart = rows(
        database_of(landed),
        "select as_of_date::varchar, graded_count, bed_weighted_score from fct_city_smart_hospitals "
        "where city_code = 'beijing' and standard_code = 'emr' and standard_version = '2018' and not is_synthetic "
        "order by 1",
    )
    assert smart == [("2019-12-31", 1, 50), ("2020-12-31", 1, 50), ("2024-12-31", 2, 62.5)]


def test_the_demonstration_takes_no_real_record(landed: Path, published: Published) -> None:
    before = rows_of_edition(published.database, "medical_digital", "demo")
    assert rows_of_edition(database_of(landed), "medical_digital", "demo") == before


def test_a_corrected_grade_moves_its_edition_and_is_listed(landed: Path, tmp_path: Path) -> None:
    home = copy_home(landed, tmp_path / "home")
    before = rows_of_edition(database_of(home), "medical_digital", "2020")
    corrected = tmp_path / "corrected.csv"
    corrected.write_text(
        HOSPITALS + "b2,beijing,emr,2018,4,2024-03-01,100\nb1,beijing,emr,2025,7,2024-09-01,300\n", encoding="utf-8"
    )
    labelled = tmp_path / "labelled.csv"
    labelled.write_text(
        EVIDENCE.replace("url", "url,indicator_code")
        + "r1,beijing,全市远程会诊平台正式上线,2024-05-01,platform,https://records.example/1,infra_cloud_registration\n",
        encoding="utf-8",
    )
    assert city_index("ingest", str(corrected), str(labelled), home=home).returncode == 0
    run = city_index("run", home=home)
    assert run.returncode == 0, run.stderr
    assert rows_of_edition(database_of(home), "medical_digital", "2020") == before
    found = leaves(home, "beijing")
    assert found["hospital_intra_app_emr"][0] == pytest.approx((300 * 75 + 100 * 50) / 400)
    assert "infra_cloud_registration" in found and "infra_cloud_teleconsultation" not in found
    assert rows(
        database_of(home),
        "select kind, row_key, field_name, old_text, new_text from fct_corrections order by all",
    ) == [
        ("evidence", "r1", "indicator_code", None, "infra_cloud_registration"),
        ("hospitals", "b2/emr/2018/2024-03-01", "grade", "2", "4"),
    ]
    # A version that nobody has described gives no score, and a warning names it.
    assert "assert_current_grades_have_scores" in run.stdout and "2025" in run.stdout
