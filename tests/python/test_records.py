"""From records to values: as-of dates, versions, coverage, precedence; on the compiled SQL, with rows made up here."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from index_rows import observation
from record_rows import INDEX, RULES, computed, hospital, record
from warehouse import Warehouse

Cell = tuple[str, str, str]


@pytest.fixture(scope="module")
def warehouses(compiled: Path) -> dict[str, Warehouse]:
    tables = ("fct_indicator_scores", "fct_derived_observations", "fct_city_smart_hospitals", "fct_hospital_grades")
    return {table: Warehouse(compiled, table) for table in tables}


def values(rows: list[dict[str, Any]]) -> dict[Cell, tuple[float, str]]:
    return {
        (row["edition"], row["city_code"], row["indicator_code"]): (row["score"], row["provenance"])
        for row in rows
        if row["level"] == 3 and row["score"] is not None
    }


def smart(rows: list[dict[str, Any]], day: str, standard: str = "emr", city: str = "beijing") -> dict[str, Any]:
    (row,) = (
        row
        for row in rows
        if (row["as_of_date"], row["standard_code"], row["city_code"]) == (date.fromisoformat(day), standard, city)
        and row["standard_version"] in ("2018", "2019", "2020", "2021")
    )
    return row


def test_a_grade_after_the_day_of_an_edition_never_enters_it(warehouses) -> None:
    rules = [{**rule, "since_edition": "2020"} for rule in RULES]
    before = [hospital("h1", "4", "2019-05-01")]
    later = [
        hospital("h1", "8", "2024-02-01", beds="900"),
        hospital("h2", "2", "2021-01-01"),
        hospital("h3", "", "2023-01-01"),
    ]
    scores = warehouses["fct_indicator_scores"]
    old = values(computed(scores, before, rules=rules, editions=("2020", "2024")))
    new = values(computed(scores, before + later, rules=rules, editions=("2020", "2024")))
    assert old["2020", "beijing", "records"] == new["2020", "beijing", "records"] == (50.0, "derived")
    assert old["2024", "beijing", "records"] == (50.0, "derived")
    assert new["2024", "beijing", "records"] == (pytest.approx((900 * 100 + 100 * 25) / 1000), "derived")
    cities = warehouses["fct_city_smart_hospitals"]
    old_row = smart(computed(cities, before), "2020-12-31")
    new_row = smart(computed(cities, before + later), "2020-12-31")
    assert old_row == new_row
    assert (new_row["in_scope_count"], new_row["in_scope_beds"]) == (1, 100)


def test_a_corrected_grade_moves_only_editions_at_or_after_it(warehouses) -> None:
    rules = [{**rule, "since_edition": "2019"} for rule in RULES]
    given = [hospital("h1", "2", "2019-05-01"), hospital("h1", "4", "2021-05-01")]
    corrected = [*given, hospital("h1", "6", "2021-05-01", batch_number="2")]
    editions = ("2019", "2020", "2021", "2022")
    scores = warehouses["fct_indicator_scores"]
    old, new = (values(computed(scores, rows, rules=rules, editions=editions)) for rows in (given, corrected))
    moved = {
        edition for edition in editions if old[edition, "beijing", "records"] != new[edition, "beijing", "records"]
    }
    assert moved == {"2021", "2022"}
    assert new["2021", "beijing", "records"] == (75.0, "derived")


def test_a_grade_on_the_very_day_enters_and_an_empty_one_takes_none_away(warehouses) -> None:
    rows = [
        hospital("h1", "4", "2024-12-31"),
        hospital("h2", "8", "2025-01-01"),
        hospital("h1", "", "2024-12-31", ("smart_service", "2019")),
    ]
    found = values(computed(warehouses["fct_indicator_scores"], rows))
    assert found["2024", "beijing", "records"] == (50.0, "derived")
    assert ("2024", "beijing", "service_share") not in found
    withdrawn = [hospital("h1", "4", "2023-01-01"), hospital("h1", "", "2024-01-01")]
    kept = values(computed(warehouses["fct_indicator_scores"], withdrawn))
    assert kept["2024", "beijing", "records"] == (50.0, "derived")


def test_not_assessed_is_null_and_no_zero(warehouses) -> None:
    rows = [hospital("h1", "", "2024-01-01", beds="300"), hospital("h2", "0", "2024-01-01", ("smart_service", "2019"))]
    cities = computed(warehouses["fct_city_smart_hospitals"], rows)
    emr, service = smart(cities, "2024-12-31"), smart(cities, "2024-12-31", "smart_service")
    assert (emr["in_scope_count"], emr["graded_count"], emr["mean_score"], emr["grade_0_share"]) == (2, 0, None, None)
    assert (emr["coverage_share"], emr["bed_coverage_share"], emr["is_low_coverage"]) == (0, 0, True)
    assert (service["graded_count"], service["mean_score"], service["grade_0_share"]) == (1, 0, 1)
    assert (service["smart_service_score"], service["smart_medical_score"], service["combined_score"]) == (
        0,
        None,
        None,
    )
    scores = values(computed(warehouses["fct_indicator_scores"], rows))
    assert ("2024", "beijing", "records") not in scores
    assert scores["2024", "beijing", "service_share"] == (0, "derived")


def test_versions_are_never_mixed(warehouses) -> None:
    rows = [
        hospital("h1", "4", "2023-01-01"),
        hospital("h2", "8", "2024-01-01", ("emr", "2025")),
        hospital("h1", "7", "2024-06-01", ("emr", "2025")),
    ]
    found = computed(warehouses["fct_city_smart_hospitals"], rows)
    by_version = {
        row["standard_version"]: row
        for row in found
        if row["standard_code"] == "emr" and row["as_of_date"] == date(2024, 12, 31)
    }
    assert (by_version["2018"]["graded_count"], by_version["2018"]["mean_score"]) == (1, 50)
    # The scale of the newer version is not described: its grades are counted and scored by no map.
    newer = by_version["2025"]
    assert (newer["graded_count"], newer["scored_count"], newer["mean_score"]) == (2, 0, None)
    assert newer["smart_medical_score"] == 50
    scores = values(computed(warehouses["fct_indicator_scores"], rows))
    assert scores["2024", "beijing", "records"] == (50.0, "derived")
    grades = computed(warehouses["fct_hospital_grades"], rows)
    assert {(row["standard_version"], row["status"], row["is_current"]) for row in grades} == {
        ("2018", "graded", True),
        ("2025", "unknown_scale", True),
    }


def test_means_shares_and_coverage_are_their_closed_forms(warehouses) -> None:
    rows = [
        hospital("h1", "8", "2022-01-01", beds="300"),
        hospital("h2", "4", "2022-01-01", beds="100"),
        hospital("h3", "2", "2022-01-01", beds=""),
        hospital("h4", "", "2022-01-01", beds="600"),
    ]
    row = smart(computed(warehouses["fct_city_smart_hospitals"], rows), "2022-12-31")
    assert (row["in_scope_count"], row["graded_count"], row["without_beds_count"]) == (4, 3, 1)
    assert row["mean_score"] == pytest.approx((100 + 50 + 25) / 3)
    # Beds that nobody knows weigh as the mean of the others, 200.
    assert row["bed_weighted_score"] == pytest.approx((300 * 100 + 100 * 50 + 200 * 25) / 600)
    assert row["alternative_mean_score"] == pytest.approx((100 + 60 + 25) / 3)
    assert (row["coverage_share"], row["bed_coverage_share"], row["is_low_coverage"]) == (0.75, 0.4, True)
    shares = {number: row[f"grade_{number}_share"] for number in range(9)}
    assert shares == {**dict.fromkeys(range(9), 0), **dict.fromkeys((2, 4, 8), pytest.approx(1 / 3))}


@pytest.mark.parametrize(
    ("grades", "profile", "stage", "combined"),
    [
        (("5", "5", "8"), "balanced", "smart_hospital", 100),
        (("2", "2", "3"), "balanced", "data_collection", (40 + 40 + 37.5) / 3),
        (("3", "2", "2"), "smart_management_led", "information_sharing", (60 + 40 + 25) / 3),
        (("1", "3", "2"), "smart_service_led", "data_collection", (20 + 60 + 25) / 3),
        (("0", "0", "0"), "balanced", "manual", 0),
        (("0", "0", "8"), "smart_medical_led", "data_collection", 100 / 3),
    ],
)  # fmt: skip
def test_layers_make_a_profile_and_a_stage(warehouses, grades, profile: str, stage: str, combined: float) -> None:
    standards = [("smart_management", "2021"), ("smart_service", "2019"), ("emr", "2018")]
    rows = [hospital("h1", grade, "2022-01-01", standard) for grade, standard in zip(grades, standards, strict=True)]
    row = smart(computed(warehouses["fct_city_smart_hospitals"], rows), "2022-12-31")
    assert (row["profile"], row["stage_code"]) == (profile, stage)
    assert row["combined_score"] == pytest.approx(combined)
    assert row["layer_count"] == 3


def test_the_share_at_a_grade_or_above_counts_hospitals_alike_where_the_rule_says_so(warehouses) -> None:
    service = ("smart_service", "2019")
    rows = [
        hospital("h1", "3", "2022-01-01", service, beds="900"),
        hospital("h2", "2", "2022-01-01", service),
        hospital("h3", "4", "2022-01-01", service),
        hospital("h4", "0", "2022-01-01", service),
    ]
    (found,) = (
        row
        for row in computed(warehouses["fct_derived_observations"], rows)
        if row["indicator_code"] == "service_share"
    )
    assert (found["value"], found["weighting"], found["record_count"], found["scope_count"]) == (50, "equal", 4, 4)


def test_without_beds_all_hospitals_count_alike(warehouses) -> None:
    rows = [hospital("h1", "8", "2022-01-01", beds=""), hospital("h2", "4", "2022-01-01", beds="")]
    (found,) = computed(warehouses["fct_derived_observations"], rows)
    assert (found["value"], found["weighting"], found["coverage_share"]) == (75, "equal", 1)


def test_observed_stands_before_derived_before_reconstructed(warehouses) -> None:
    key = {"index_code": INDEX, "edition": "2024"}
    hospitals = [hospital("h1", "4", "2022-01-01"), hospital("h1", "4", "2022-01-01", ("smart_service", "2019"))]
    for provenance, expected in [
        ("observed", (7.0, "observed")),
        ("derived", (7.0, "derived")),
        ("reconstructed", (50.0, "derived")),
    ]:
        given = [observation(key, "beijing", "records", 7.0, provenance)]
        rows = computed(warehouses["fct_indicator_scores"], hospitals, seeds={"observations": given})
        assert values(rows)["2024", "beijing", "records"] == expected
        rule_codes = {row["indicator_code"]: row["rule_code"] for row in rows if row["edition"] == "2024"}
        assert rule_codes["service_share"] == "service_rule"
        assert rule_codes["records"] == ("records_rule" if provenance == "reconstructed" else None)
        assert rule_codes["total"] is None
        derived = computed(warehouses["fct_derived_observations"], hospitals, seeds={"observations": given})
        used = {row["indicator_code"]: (row["is_used"], row["used_provenance"]) for row in derived}
        assert used["records"] == (provenance == "reconstructed", expected[1])
        assert used["service_share"] == (True, "derived")


def test_records_bring_no_city_to_an_edition_that_has_observations(warehouses) -> None:
    hospitals = [hospital("h1", "4", "2022-01-01"), hospital("h2", "4", "2022-01-01", city="wuhan")]
    scores = warehouses["fct_indicator_scores"]
    given = [observation({"index_code": INDEX, "edition": "2024"}, "beijing", "beds", 1.0)]
    assert {row["city_code"] for row in computed(scores, hospitals)} == {"beijing", "wuhan"}
    assert {row["city_code"] for row in computed(scores, hospitals, seeds={"observations": given})} == {"beijing"}
    derived = computed(warehouses["fct_derived_observations"], hospitals, seeds={"observations": given})
    assert {row["city_code"]: row["is_used"] for row in derived} == {"beijing": True, "wuhan": False}


def test_rules_hold_since_their_edition_and_give_way_to_later_ones(warehouses) -> None:
    hospitals = [hospital("h1", "4", "2015-01-01")]
    later = {
        **RULES[0],
        "rule_code": "records_later",
        "since_edition": "2024",
        "least_coverage_share": "",
        "formula": "share_at_or_above",
        "least_grade": "4",
    }
    found = computed(
        warehouses["fct_derived_observations"],
        hospitals,
        rules=[*RULES, later],
        editions=("2020", "2021", "2023", "2024"),
    )
    assert {row["edition"]: (row["rule_code"], row["value"]) for row in found} == {
        "2021": ("records_rule", 50),
        "2023": ("records_rule", 50),
        "2024": ("records_later", 100),
    }


def test_an_edition_without_a_day_takes_no_records(warehouses) -> None:
    hospitals = [hospital("h1", "4", "2022-01-01")]
    derived = warehouses["fct_derived_observations"]
    assert computed(derived, hospitals, editions=("autumn",)) == []
    described = [{"index_code": INDEX, "edition": "autumn", "as_of_date": "2022-09-30"}]
    (found,) = computed(derived, hospitals, editions=("autumn",), seeds={"editions": described})
    assert found["as_of_date"] == date(2022, 9, 30)
    described = [{"index_code": INDEX, "edition": "2024", "as_of_date": "2021-12-31"}]
    assert computed(derived, hospitals, editions=("2024",), seeds={"editions": described}) == []


def test_synthetic_records_feed_synthetic_editions_only(warehouses) -> None:
    described = [{"index_code": INDEX, "edition": "demo", "as_of_date": "2024-12-31", "is_synthetic": "true"}]
    made_up = hospital("made_up", "8", "2022-01-01")
    del made_up["batch_number"]
    found = computed(
        warehouses["fct_derived_observations"],
        [hospital("h1", "4", "2022-01-01")],
        [record("e1", "处方流转上线", "2022-01-01")],
        editions=("2024", "demo"),
        seeds={"hospitals": [made_up], "editions": described},
    )
    assert {(row["edition"], row["indicator_code"]): row["value"] for row in found} == {
        ("2024", "records"): 50,
        ("2024", "link"): 80,
        ("demo", "records"): 100,
    }


def test_low_coverage_is_flagged_and_the_value_used(warehouses) -> None:
    rows = [hospital("h1", "8", "2022-01-01", beds="100"), hospital("h2", "", "2022-01-01", beds="101")]
    (found,) = computed(warehouses["fct_derived_observations"], rows)
    assert (found["is_low_coverage"], found["is_used"], found["value"]) == (True, True, 100)
    rows[1]["beds"] = "100"
    (found,) = computed(warehouses["fct_derived_observations"], rows)
    assert (found["is_low_coverage"], found["coverage_share"]) == (False, 0.5)


def test_shipped_records_stay_synthetic_whatever_a_later_batch_says_of_them(warehouses) -> None:
    described = [{"index_code": INDEX, "edition": "demo", "as_of_date": "2024-12-31", "is_synthetic": "true"}]
    made_up = hospital("made_up", "8", "2022-01-01")
    del made_up["batch_number"]
    found = computed(
        warehouses["fct_derived_observations"],
        [hospital("made_up", "2", "2022-01-01"), hospital("made_up", "4", "2023-01-01")],
        [record("shipped", "处方流转上线", "2022-01-01", indicator_code="link", status="assessed")],
        editions=("2024", "demo"),
        seeds={
            "hospitals": [made_up],
            "evidence": [record("shipped", "处方流转上线", "2022-01-01")],
            "editions": described,
        },
    )
    assert {(row["edition"], row["indicator_code"]): row["value"] for row in found} == {
        ("demo", "records"): 50,
        ("demo", "link"): 100,
    }


def test_hospitals_without_beds_weigh_as_the_mean_of_the_others_and_lower_the_coverage(warehouses) -> None:
    rows = [hospital("h0", "0", "2022-01-01", beds="10")]
    rows += [hospital(f"h{number}", "8", "2022-01-01", beds="") for number in range(1, 21)]
    (found,) = computed(warehouses["fct_derived_observations"], rows)
    assert found["value"] == pytest.approx(100 * 20 / 21)
    assert (found["weighting"], found["record_count"], found["without_beds_count"]) == ("beds", 21, 20)
    rows = [hospital("h0", "8", "2022-01-01", beds="10")]
    rows += [hospital(f"h{number}", "", "2022-01-01", beds="") for number in range(1, 10)]
    (found,) = computed(warehouses["fct_derived_observations"], rows)
    assert (found["coverage_share"], found["is_low_coverage"]) == (0.1, True)
    row = smart(computed(warehouses["fct_city_smart_hospitals"], rows), "2022-12-31")
    assert (row["bed_coverage_share"], row["is_low_coverage"]) == (1, True)


def test_where_a_hospital_stands_is_told_by_the_later_batch_of_a_day(warehouses) -> None:
    rows = [
        hospital("h1", "4", "2022-01-01"),
        hospital("h1", "2", "2022-01-01", ("smart_service", "2019"), city="wuhan", batch_number="2"),
    ]
    found = computed(warehouses["fct_derived_observations"], rows)
    assert {row["city_code"] for row in found} == {"wuhan"}


def test_the_history_of_grades_is_kept(warehouses) -> None:
    rows = [hospital("h1", "2", "2019-05-01"), hospital("h1", "4", "2021-05-01"), hospital("h1", "", "2022-05-01")]
    found = computed(warehouses["fct_hospital_grades"], rows)
    assert [
        (row["grade"], row["superseded_on"], row["is_current"], row["status"])
        for row in sorted(found, key=lambda row: row["assessed_on"])
    ] == [
        ("2", date(2021, 5, 1), False, "graded"),
        ("4", None, True, "graded"),
        (None, None, False, "not_assessed"),
    ]


def test_compiled_tables_do_not_share_rows(warehouses, tmp_path: Path) -> None:
    """A run leaves nothing behind for the next one."""
    first = computed(warehouses["fct_hospital_grades"], [hospital("h1", "2", "2019-05-01")])
    assert len(first) == 1
    assert computed(warehouses["fct_hospital_grades"]) == []
