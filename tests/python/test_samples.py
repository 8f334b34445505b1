"""The sample records: what is shipped is what the generators write, and nothing in it is real."""

from __future__ import annotations

import csv
import datetime
import re
from collections import Counter, defaultdict
from itertools import islice, pairwise
from pathlib import Path

import duckdb
import pytest

from city_index.settings import PROJECT_DIRECTORY
from samples.cities import PROVINCIAL_SEATS, known_cities
from samples.evidence import COLUMNS, evidence_rows, evidence_with_leaves, write_evidence_parquet
from samples.evidence_wordings import subjects
from samples.hospitals import SOURCE, STANDARDS, hospital_rows
from samples.seed_files import EVIDENCE_RANDOM_SEED, EVIDENCE_RECORD_COUNT, HOSPITALS_RANDOM_SEED, seed_texts

Row = dict[str, str]
SEEDS = PROJECT_DIRECTORY / "seeds"
FEW_CITIES = ["beijing", "suzhou_js", "lhasa"]


def read(name: str) -> list[Row]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def hospitals() -> list[Row]:
    return hospital_rows(HOSPITALS_RANDOM_SEED)


@pytest.fixture(scope="module")
def evidence() -> list[tuple[Row, str]]:
    """Records of all cities with their leaves."""
    cities = [row["city_code"] for row in read("cities")]
    return list(evidence_with_leaves(7, cities, 2000, 18000))


@pytest.mark.parametrize("name", ["hospitals.csv", "evidence.csv"])
def test_the_shipped_seeds_are_what_the_generators_write(name: str) -> None:
    assert (SEEDS / name).read_bytes() == seed_texts()[name].encode("utf-8")


def test_hospitals_stand_in_the_seat_of_every_provincial_unit(hospitals: list[Row]) -> None:
    seats = known_cities(PROVINCIAL_SEATS)
    assert {seat.province_en for seat in seats} == {row["province_en"] for row in read("cities")}
    assert len(seats) == len({seat.province_en for seat in seats}) == 31
    per_city = defaultdict(set)
    for row in hospitals:
        per_city[row["city_code"]].add(row["hospital_code"])
    assert set(per_city) == set(PROVINCIAL_SEATS)
    assert all(3 <= len(codes) <= 9 for codes in per_city.values())


def test_an_unknown_city_is_named() -> None:
    with pytest.raises(ValueError, match="atlantis: not a city"):
        next(evidence_rows(1, ["beijing", "atlantis"], 1))


def test_hospitals_are_known_by_made_up_names_only(hospitals: list[Row]) -> None:
    names = {city.city_code: city.name_zh for city in known_cities(PROVINCIAL_SEATS)}
    for row in hospitals:
        number = row["hospital_code"].removeprefix(f"demo_{row['city_code']}_h")
        assert re.fullmatch(r"\d\d", number), row
        assert row["hospital_name_zh"] == f"示例医院-{names[row['city_code']]}-{number}"
        assert row["source"] == SOURCE


def test_an_assessment_has_a_grade_of_its_standard_and_a_day_of_its_time(hospitals: list[Row]) -> None:
    standards = {standard.standard_code: standard for standard in STANDARDS}
    for row in hospitals:
        standard = standards[row["standard_code"]]
        assert row["standard_version"] == standard.standard_version
        assert row["grade"] in ("", *standard.grades)
        assert f"{standard.standard_version}-01-01" <= row["assessed_on"] <= "2024-10-31"
        assert datetime.date.fromisoformat(row["assessed_on"]).isoformat() == row["assessed_on"]


def test_assessments_are_unique_and_their_grades_mostly_rise(hospitals: list[Row]) -> None:
    histories: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in hospitals:
        histories[row["hospital_code"], row["standard_code"]].append(row)
    places = {standard.standard_code: standard.grades for standard in STANDARDS}
    steps: Counter[str] = Counter()
    for (_hospital, standard), rows in histories.items():
        assert 1 <= len(rows) <= 3
        assert all(row["grade"] for row in rows) or len(rows) == 1
        for before, after in pairwise(rows):
            assert before["assessed_on"] < after["assessed_on"]
            change = places[standard].index(after["grade"]) - places[standard].index(before["grade"])
            steps["rise" if change > 0 else "fall" if change < 0 else "same"] += 1
    assert steps["rise"] > steps["same"] > steps["fall"] > 0


def test_beds_are_whole_numbers_in_range_and_sometimes_unknown(hospitals: list[Row]) -> None:
    beds = {row["hospital_code"]: row["beds"] for row in hospitals}
    assert all(beds[row["hospital_code"]] == row["beds"] for row in hospitals)
    known = [int(text) for text in beds.values() if text]
    assert all(200 <= number <= 4000 for number in known)
    assert 0.01 < 1 - len(known) / len(beds) < 0.12


def test_grades_have_the_shape_of_published_distributions() -> None:
    latest: dict[tuple[int, str, str], Row] = {}
    for random_seed in range(12):
        for row in hospital_rows(random_seed):
            latest[random_seed, row["hospital_code"], row["standard_code"]] = row
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in latest.values():
        counts[row["standard_code"]][row["grade"]] += 1
    hospital_count = sum(counts["emr"].values())
    assert 0.17 < sum(count[""] for count in counts.values()) / (len(STANDARDS) * hospital_count) < 0.23
    emr = counts["emr"]
    high = sum(emr[grade] for grade in "345678")
    for grade, count in {"3": 117, "4": 46, "5": 5}.items():
        assert abs(emr[grade] / high - count / 169) < 0.06, grade
    assert emr["3"] > emr["4"] > emr["5"] > emr["6"] > 0
    assert sum(counts["smart_service"][grade] for grade in "012") > 8 * sum(
        counts["smart_service"][grade] for grade in "34"
    )
    management = counts["smart_management"]
    assert sum(management[grade] for grade in "123") > 6 * (management["0"] + management["4"])
    interoperability = counts["interoperability"]
    assert sum(interoperability.values()) - interoperability[""] < hospital_count / 2
    assert 0 < interoperability["五级乙等"] < interoperability["二级"] < interoperability["四级甲等"]
    mean_beds = {
        is_high: sum(values) / len(values)
        for is_high in (False, True)
        for values in [
            [
                int(row["beds"])
                for row in latest.values()
                if row["standard_code"] == "emr" and row["beds"] and row["grade"] and (row["grade"] >= "4") == is_high
            ]
        ]
    }
    assert mean_beds[True] > 1.4 * mean_beds[False]


def test_every_leaf_of_the_framework_has_titles_and_topics() -> None:
    framework = [
        row for row in read("frameworks") if row["index_code"] == "medical_digital" and row["edition"] == "2020"
    ]
    leaves = {row["indicator_code"] for row in framework} - {row["parent_code"] for row in framework}
    assert len(leaves) == 50
    assert set(subjects()) == {*leaves, ""}
    for subject in subjects().values():
        assert len(subject.policies) >= 2, subject.indicator_code
        assert len(subject.policies) + len(subject.others) >= 8, subject.indicator_code
        assert len(subject.topics) >= 3, subject.indicator_code
        assert {wording.kind for wording in subject.others} <= {"case", "platform", "qualification"}


def test_evidence_is_filled_in_and_made_up(evidence: list[tuple[Row, str]]) -> None:
    for row, leaf in evidence:
        assert tuple(row) == COLUMNS
        assert "2016-01-01" <= row["published_on"] <= "2024-10-31"
        assert row["kind"] in ("policy", "case", "platform", "qualification")
        assert row["status"] in ("", "planned", "pilot", "live", "assessed")
        assert row["indicator_code"] in ("", leaf)
        assert row["url"] == f"https://demo.example/evidence/{row['evidence_id']}"
        assert row["publisher"].startswith("示例")
        assert row["text"] == "" or (40 <= len(row["text"]) <= 200 and row["text"].startswith("（示例）"))
        for text in (row["title"], row["text"]):
            assert text == text.strip()
            assert not set("{}|｛｝｜") & set(text), text
            made_up = re.sub(r"示例[县区]?(医院|卫生院|社区中心)\d\d?", "", re.sub(r"\s", "", text))
            assert not re.search(r"(医院|卫生院|社区中心)\d", made_up), text
    assert len({row["evidence_id"] for row, _leaf in evidence}) == len(evidence)


def test_evidence_has_the_shares_that_it_is_meant_to_have(evidence: list[tuple[Row, str]]) -> None:
    def share(column: str) -> float:
        return sum(row[column] != "" for row, _leaf in evidence) / len(evidence)

    assert sum(row["kind"] == "policy" for row, _leaf in evidence) == 2000
    assert 0.005 < share("indicator_code") < 0.015
    assert 0.28 < share("status") < 0.32
    assert 0.47 < share("text") < 0.53
    assert 0.05 < sum(leaf == "" for _row, leaf in evidence) / len(evidence) < 0.07
    assert len({row["title"] for row, _leaf in evidence}) > 0.99 * len(evidence)
    for column, count in {"kind": 4, "status": 5}.items():
        assert len({row[column] for row, _leaf in evidence}) == count


def test_a_title_speaks_of_no_year_after_its_day(evidence: list[tuple[Row, str]]) -> None:
    for row, _leaf in evidence:
        for year in re.findall(r"(?<!\d)(20[12]\d)年", row["title"]):
            assert year <= row["published_on"][:4], row


def test_some_records_repeat_an_earlier_one_of_their_city_in_other_typography(evidence: list[tuple[Row, str]]) -> None:
    def bare(title: str) -> str:
        half_width = "".join(chr(ord(sign) - 0xFEE0) if "！" <= sign <= "～" else sign for sign in title)
        return re.sub(r"[\W_]|转载|正式|成功|图", "", half_width)

    earlier: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    repeated = 0
    for row, leaf in evidence:
        known = earlier[row["city_code"], leaf, bare(row["title"])]
        if known and row["title"] not in {original["title"] for original in known}:
            repeated += 1
            day = datetime.date.fromisoformat(row["published_on"])
            assert any(
                0 <= (day - datetime.date.fromisoformat(original["published_on"])).days <= 42
                and row["kind"] == original["kind"]
                and row["publisher"] != original["publisher"]
                for original in known
            ), (known, row)
        known.append(row)
    assert 0.06 < repeated / len(evidence) < 0.09


def test_the_shipped_evidence_reaches_most_leaves_of_most_cities_and_eastern_cities_more() -> None:
    records = list(
        evidence_with_leaves(
            EVIDENCE_RANDOM_SEED,
            list(PROVINCIAL_SEATS),
            EVIDENCE_RECORD_COUNT // 10,
            EVIDENCE_RECORD_COUNT - EVIDENCE_RECORD_COUNT // 10,
        )
    )
    assert [row for row, _leaf in records] == read("evidence")
    assert len({(row["city_code"], leaf) for row, leaf in records if leaf}) > 0.7 * len(PROVINCIAL_SEATS) * 50
    counts = Counter(row["city_code"] for row, _leaf in records)
    assert set(counts) == set(PROVINCIAL_SEATS)
    eastern, western = ("beijing", "shanghai", "hangzhou", "guangzhou"), ("lhasa", "xining", "lanzhou", "guiyang")
    assert min(counts[city] for city in eastern) > max(counts[city] for city in western)


def test_evidence_streams_and_depends_on_its_seed_alone() -> None:
    first, again, other = (
        list(islice(evidence_rows(random_seed, FEW_CITIES, 10**9), 300)) for random_seed in (1, 1, 2)
    )
    assert first == again
    assert not {row["title"] for row in first} & {row["title"] for row in other}
    assert not {row["evidence_id"] for row in first} & {row["evidence_id"] for row in other}


def test_the_parquet_file_holds_the_records_in_order(tmp_path: Path) -> None:
    target = tmp_path / "it's evidence.parquet"
    write_evidence_parquet(target, 3, FEW_CITIES, 50, 450)
    assert list(tmp_path.iterdir()) == [target]
    with duckdb.connect() as connection:
        relation = connection.read_parquet(str(target))
        assert relation.columns == list(COLUMNS)
        assert [str(kind) for kind in relation.types] == [
            "DATE" if column == "published_on" else "VARCHAR" for column in COLUMNS
        ]
        found = relation.fetchall()
    expected = [
        tuple(
            datetime.date.fromisoformat(row[name]) if name == "published_on" else row[name] or None for name in COLUMNS
        )
        for row, _leaf in evidence_with_leaves(3, FEW_CITIES, 50, 450)
    ]
    assert found == expected
    assert sum(row[COLUMNS.index("kind")] == "policy" for row in found) == 50
