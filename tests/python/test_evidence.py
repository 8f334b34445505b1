"""Evidence: cleaning, merging, filtering, classifying, status and scoring, on the compiled SQL; how well it sorts."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from classification import Answer, classify, markdown, seed, sentence, taxonomy
from index_rows import Row
from record_rows import computed, record
from warehouse import Warehouse

from city_index.settings import PROJECT_DIRECTORY


@pytest.fixture(scope="module")
def warehouses(compiled: Path) -> dict[str, Warehouse]:
    tables = ("fct_evidence", "fct_indicator_evidence", "fct_indicator_scores")
    return {table: Warehouse(compiled, table) for table in tables}


def sorted_records(warehouses, *evidence: Row) -> dict[str, dict[str, Any]]:
    found = computed(warehouses["fct_evidence"], evidence=evidence)
    assert len(found) == len(evidence)
    return {row["evidence_id"]: row for row in found}


SAME = (
    "处方流转平台上线",
    "处方流转平台上线！",
    "处方流转平台　正式上线",
    " 处方流转 平台上线 ",
    "【转载】处方流转平台上线",
    "处方流转平台上线（图）",
    "处方流转平台成功上线。",
    "“处方流转”平台上线了",
)


@pytest.mark.parametrize("title", SAME)
def test_titles_that_say_the_same_are_one_record(warehouses, title: str) -> None:
    found = sorted_records(warehouses, record("a", SAME[0], "2023-01-01"), record("b", title, "2023-02-01"))
    assert (found["a"]["duplicate_of"], found["a"]["is_counted"]) == (None, True)
    assert (found["b"]["duplicate_of"], found["b"]["is_counted"]) == ("a", False)
    assert found["b"]["title"] == title
    assert found["b"]["indicator_code"] == "link"


@pytest.mark.parametrize(
    ("other", "change"),
    [
        ("处方流转平台二期上线", {}),
        ("处方流转平台上线2", {}),
        (SAME[0], {"kind": "platform"}),
        (SAME[0], {"city": "wuhan"}),
        (SAME[0], {"day": "2024-01-02"}),
    ],
)
def test_other_titles_kinds_cities_and_times_are_other_records(warehouses, other: str, change: dict[str, str]) -> None:
    other_record = record("b", other, **{"day": "2023-02-01", **change})
    found = sorted_records(warehouses, record("a", SAME[0], "2023-01-01"), other_record)
    assert [found[code]["duplicate_of"] for code in "ab"] == [None, None]


def test_a_chain_of_reprints_has_one_original_and_a_long_gap_begins_anew(warehouses) -> None:
    days = {"a": "2020-01-01", "b": "2020-12-01", "c": "2021-11-30", "d": "2022-12-01"}
    found = sorted_records(warehouses, *(record(code, SAME[0], day) for code, day in days.items()))
    assert {code: row["duplicate_of"] for code, row in found.items()} == {"a": None, "b": "a", "c": "a", "d": None}


def test_what_is_given_with_a_record_holds_for_those_that_repeat_it_and_for_none_before(warehouses) -> None:
    found = sorted_records(
        warehouses,
        record("a", SAME[0], "2023-01-01"),
        record("b", SAME[1], "2023-02-01", status="pilot"),
        record("c", SAME[2], "2023-03-01"),
        record("d", SAME[4], "2023-04-01", status="pilot"),
        record("e", SAME[5], "2023-05-01", indicator_code="beds"),
        record("f", SAME[6], "2023-06-01"),
    )
    assert {code: (row["duplicate_of"], row["status"], row["indicator_code"]) for code, row in found.items()} == {
        "a": (None, "live", "link"),
        "b": (None, "pilot", "link"),
        "c": ("b", "pilot", "link"),
        "d": ("b", "pilot", "link"),
        "e": (None, "live", "beds"),
        "f": ("e", "live", "beds"),
    }


def test_a_title_of_marks_alone_stays_a_title(warehouses) -> None:
    found = sorted_records(warehouses, record("a", "！！！", "2023-01-01"), record("b", "？？", "2023-01-01"))
    assert {row["duplicate_of"] for row in found.values()} == {None}
    assert {row["classification"] for row in found.values()} == {"unclassified"}


def test_rules_fire_by_their_words_and_the_most_points_win(warehouses) -> None:
    found = sorted_records(
        warehouses,
        record("exact", "处方流转与数据互通上线", "2023-01-01"),
        record("any", "两地数据互通", "2023-01-02"),
        record("barred", "纸质处方流转数据互通", "2023-01-03"),
        record("lacks", "处方点评", "2023-01-04"),
        record("text", "全市平台动态", "2023-01-05", text="我市　处方 流转 系统"),
        record("wide", "ＥＭＲ互通", "2023-01-06"),
        record("kind", "床位管理平台", "2023-01-07", kind="platform"),
        record("other_kind", "床位管理平台", "2023-01-08"),
    )
    assert {code: (row["classification"], row["rule_code"]) for code, row in found.items()} == {
        "exact": ("rule", "link_exact"),
        "any": ("rule", "link_any"),
        "barred": ("rule", "link_any"),
        "lacks": ("unclassified", None),
        "text": ("rule", "link_exact"),
        "wide": ("rule", "link_any"),
        "kind": ("rule", "beds_any"),
        "other_kind": ("unclassified", None),
    }
    # Twice the length of a word in the title, once in the text; the bonus once.
    assert (found["exact"]["rule_points"], found["text"]["rule_points"]) == (4 + 4 + 1, 2 + 2 + 1)
    assert found["exact"]["matched_words"] == "处方, 流转"
    assert found["exact"]["rule_trace"] == "link_exact 9 (处方, 流转); link_any 4 (互通)"


def test_a_label_by_a_person_wins_and_says_so(warehouses) -> None:
    found = sorted_records(
        warehouses,
        record("labelled", "处方流转平台上线", "2023-01-01", indicator_code="beds"),
        record("set_free", "招聘启事", "2023-01-02", indicator_code="link"),
        record("first", "床位管理平台", "2023-01-03"),
        record("reprint", "【转载】床位管理平台", "2023-01-04", indicator_code="link"),
    )
    for code, indicator in {"labelled": "beds", "set_free": "link", "reprint": "link"}.items():
        row = found[code]
        assert (row["classification"], row["indicator_code"], row["is_counted"]) == ("manual", indicator, True), code
    # A label counts from the day of its record on: the earlier one without it stays as it is.
    assert (found["first"]["classification"], found["reprint"]["duplicate_of"]) == ("unclassified", None)
    # What the rules would have said still stands beside it.
    assert found["labelled"]["rule_code"] == "link_exact"
    # A later batch that labels a record corrects it.
    rows = [
        record("a", "床位管理", "2023-01-01"),
        record("a", "床位管理", "2023-01-01", indicator_code="link", batch_number="2"),
    ]
    (corrected,) = computed(warehouses["fct_evidence"], evidence=rows)
    assert (corrected["classification"], corrected["indicator_code"]) == ("manual", "link")


def test_what_is_no_evidence_is_set_aside_and_stays_visible(warehouses) -> None:
    found = sorted_records(
        warehouses,
        record("a", "处方流转平台招聘工程师", "2023-01-01"),
        record("b", "处方流转平台上线", "2023-01-02", text="另有招聘信息"),
    )
    assert (found["a"]["classification"], found["a"]["filter_code"], found["a"]["is_counted"]) == (
        "filtered",
        "recruitment",
        False,
    )
    assert (found["a"]["indicator_code"], found["b"]["classification"]) == (None, "rule")


def test_what_was_not_reached_or_is_no_more_is_no_evidence(warehouses) -> None:
    found = computed(
        warehouses["fct_evidence"],
        evidence=[
            record("a", "我院未通过电子病历五级评审", "2023-01-01"),
            record("b", "撤销互联网医院牌照", "2023-01-02"),
            record("c", "互联网医院建设情况调研报告", "2023-01-03"),
            record("d", "医疗集团购置远程影像诊断平台", "2023-01-04"),
        ],
        seeds=taxonomy(),
    )
    classes = {row["evidence_id"]: (row["classification"], row["filter_code"]) for row in found}
    assert classes["a"] == classes["b"] == ("filtered", "withdrawn")
    assert classes["c"][0] != "filtered" and classes["d"][0] != "filtered"


def test_a_long_text_is_read_to_its_end(warehouses) -> None:
    """Words are found wherever pieces of the text begin, and the work does not grow with the square of its length."""
    for position in (*range(240, 262), 5_000, 99_990):
        text = "无" * position + "处方流转"
        (found,) = computed(warehouses["fct_evidence"], evidence=[record("a", "标题", "2023-01-01", text=text)])
        assert (found["rule_code"], found["rule_points"]) == ("link_exact", 5), position


def test_the_status_is_given_or_told_by_words_or_by_the_kind(warehouses) -> None:
    found = sorted_records(
        warehouses,
        record("given", "处方流转上线", "2023-01-01", status="pilot"),
        record("word", "处方流转平台上线", "2023-01-02"),
        record("planned_first", "处方流转上线项目招标", "2023-01-03"),
        record("title_first", "处方流转试点", "2023-01-04", text="招标"),
        record("text", "处方流转", "2023-01-05", text="通过评审"),
        record("policy", "处方流转办法", "2023-01-06", kind="policy"),
        record("qualification", "处方流转资格", "2023-01-07", kind="qualification"),
    )
    assert {code: (row["status"], row["status_source"], row["status_word"]) for code, row in found.items()} == {
        "given": ("pilot", "given", None),
        "word": ("live", "word", "上线"),
        "planned_first": ("planned", "word", "招标"),
        "title_first": ("pilot", "word", "试点"),
        "text": ("assessed", "word", "通过评审"),
        "policy": ("planned", "kind", None),
        "qualification": ("assessed", "kind", None),
    }


def test_a_record_keeps_its_points_while_it_is_fresh_and_loses_them_evenly(warehouses) -> None:
    end = date(2024, 12, 31)
    fresh, stale = 3 * 365.25, 10 * 365.25
    for age in (0, 1095, 1096, 2000, 3652, 3653, 5000):
        rows = [record("a", "处方流转上线", str(end - timedelta(days=age)))]
        (found,) = computed(warehouses["fct_indicator_evidence"], evidence=rows, editions=["2024"])
        share = 1 - 0.6 * min(max((age - fresh) / (stale - fresh), 0), 1)
        assert found["score"] == pytest.approx(80 * share, abs=1e-9), age


def test_a_tertiary_scores_as_its_strongest_record_by_the_day(warehouses) -> None:
    rows = [
        record("old", "处方流转通过评审", "2015-01-01"),
        record("plan", "处方流转招标", "2023-01-01"),
        record("pilot", "处方流转试点", "2024-01-01"),
        record("reprint", "处方流转试点！", "2024-02-01"),
        record("late", "处方流转系统通过评审", "2025-01-01"),
    ]
    found = {row["edition"]: row for row in computed(warehouses["fct_indicator_evidence"], evidence=rows)}
    assert (found["2024"]["record_count"], found["2024"]["best_status"]) == (3, "assessed")
    assert (found["2024"]["best_evidence_id"], found["2024"]["score"]) == ("pilot", 50)
    assert (found["2024"]["newest_on"], found["2020"]["newest_on"]) == (date(2024, 1, 1), date(2015, 1, 1))
    assert (found["2020"]["record_count"], found["2020"]["best_evidence_id"]) == (1, "old")
    scores = {
        (row["edition"], row["indicator_code"]): (row["score"], row["provenance"], row["rule_code"])
        for row in computed(warehouses["fct_indicator_scores"], evidence=rows)
    }
    assert scores["2024", "link"] == (50, "derived", "link_rule")
    assert ("2020", "link") not in scores  # the rule holds since 2021


def test_a_tertiary_without_records_has_no_value(warehouses) -> None:
    rows = [record("a", "处方流转试点", "2024-01-01"), record("b", "天气", "2024-01-01", city="wuhan")]
    found = computed(warehouses["fct_indicator_scores"], evidence=rows, editions=["2024"])
    assert {row["city_code"] for row in found} == {"beijing"}
    (beds,) = (row for row in found if row["indicator_code"] == "beds")
    assert (beds["score"], beds["missing_reason"]) == (None, "not_observed")


@pytest.fixture(scope="module")
def answers(warehouses) -> dict[str, list[Answer]]:
    return {
        "with text": classify(warehouses["fct_evidence"]),
        "titles alone": classify(warehouses["fct_evidence"], with_text=False),
    }


@pytest.mark.parametrize("given", ["with text", "titles alone"])
def test_the_page_tells_how_well_the_taxonomy_sorts(answers, given: str) -> None:
    """The figures are reported as they are: the page shows what comes out today."""
    page = (PROJECT_DIRECTORY / "docs" / "evidence.md").read_text(encoding="utf-8")
    (shown,) = re.findall(rf"<!-- measured: {given} -->\n(.*?)<!-- /measured -->", page, flags=re.DOTALL)
    assert shown == f"{markdown(answers[given])}\n\n{sentence(answers[given])}\n"


def test_every_mistake_is_explained_by_its_trace(answers) -> None:
    """Each mistake names the rules that fired on words that stand in the record, or that no rule did."""
    words = {(row["rule_code"], row["word"]) for row in seed("evidence_words")}
    filters = {row["filter_code"] for row in seed("evidence_filters")}
    mistakes = [answer for answer in answers["with text"] if not answer.is_right]
    assert mistakes
    for answer in mistakes:
        if not answer.found:
            barred = re.fullmatch(r"no rule; barred by .+: \w+ -?\d+ \(.+\)", answer.trace)
            assert answer.trace in filters or answer.trace == "no rule fired" or barred, answer
            continue
        first = answer.trace.split("; ")[0]
        rule_code, _points, told = re.fullmatch(r"(\w+) (-?\d+) \((.*)\)", first).groups()
        assert told and all((rule_code, word) in words for word in told.split(", ")), answer


def test_the_sample_is_as_the_page_says(answers) -> None:
    found = answers["with text"]
    assert len(found) == 500 == len({answer.title for answer in found})
    names = {row["indicator_code"]: row["name_zh"] for row in seed("frameworks")}
    assert sum(names[answer.label] in answer.title for answer in found if answer.label) < 10
    assert min(sum(answer.label == leaf for answer in found) for leaf in {a.label for a in found}) >= 8


def test_the_taxonomy_reaches_every_tertiary(answers) -> None:
    leaves = {row["indicator_code"] for row in seed("derivation_rules") if row["feed"] == "evidence"}
    assert leaves <= {row["indicator_code"] for row in taxonomy()["evidence_rules"]}
