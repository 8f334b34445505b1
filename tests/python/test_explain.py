"""``city-index explain``: the chain from a total down to its records; its numbers add up to what is published."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support import Published, city_index, rows

from city_index.errors import NothingPublishable
from city_index.explain import Explanation, Node, explain
from city_index.explanation_page import explanation_page
from city_index.published import Edition
from city_index.settings import PROJECT_DIRECTORY, Settings

pytestmark = pytest.mark.slow

# Deep enough in the tree to have all levels above it, and made from records in the demonstration.
TERTIARY = "hospital_intra_app_emr"


def of(published: Published, city: str, indicator: str, edition: str | None = None, **options) -> Explanation:
    return explain(published.settings, city, indicator, edition=edition, **options)


@pytest.mark.parametrize(("city", "edition"), [("beijing", "2020"), ("zhangzhou", "2020"), ("hangzhou", "demo")])
def test_the_chain_adds_up_to_the_published_total(published: Published, city: str, edition: str) -> None:
    explanation = of(published, city, "total", edition)
    ((total, rank),) = rows(
        published.database,
        "select total_score, total_rank from fct_city_scores "
        f"where city_code = '{city}' and edition = '{edition}' and index_code = 'medical_digital'",
    )
    assert (explanation.root.score, explanation.root.rank) == (total, rank)
    for node in explanation.root.walk():
        points = [child.contribution for child in node.children if child.contribution is not None]
        if points:
            assert sum(points) == pytest.approx(node.contribution, abs=1e-9), node.code
        if node.children and node.score is not None:
            shares = [(child.weight, child.score) for child in node.children if child.score is not None]
            mean = sum(weight * score for weight, score in shares) / sum(weight for weight, _score in shares)
            assert mean == pytest.approx(node.score, abs=1e-9), node.code
    tertiaries = [node for node in explanation.root.walk() if not node.children]
    assert len(tertiaries) == 50
    assert sum(node.contribution or 0 for node in tertiaries) == pytest.approx(total, abs=1e-9)


def test_a_value_made_from_hospitals_is_its_rule_over_its_records(published: Published) -> None:
    node = of(published, "hangzhou", TERTIARY, "demo").target
    assert (node.provenance, node.derivation.feed, node.derivation.is_used) == ("derived", "hospitals", True)
    weight = sum(record.weight for record in node.records)
    assert node.score == pytest.approx(sum(record.weight * record.value for record in node.records) / weight)
    share = of(published, "hangzhou", "hospital_intra_app_internet_care", "demo").target
    assert {record.value for record in share.records} <= {0, 100} and share.derivation.least_grade == "3"
    weight = sum(record.weight for record in share.records)
    assert share.score == pytest.approx(sum(record.weight * record.value for record in share.records) / weight)
    assert node.record_count == len(node.records) == node.derivation.record_count
    assert all(record.kind == "hospital_grade" and record.on <= node.derivation.as_of for record in node.records)


def test_a_value_made_from_evidence_is_that_of_its_strongest_record(published: Published) -> None:
    explanation = of(published, "hangzhou", "total", "demo")
    seen = 0
    for node in explanation.root.walk():
        if node.derivation is not None and node.derivation.feed == "evidence" and node.records:
            seen += 1
            assert node.score == node.records[0].value == max(record.value for record in node.records)
            assert all(record.url.startswith("https://") for record in node.records)
    assert seen > 20


def test_the_path_leads_from_the_total_to_the_indicator(published: Published) -> None:
    explanation = of(published, "beijing", TERTIARY)
    assert [node.code for node in explanation.path] == ["total", "hospital", "hospital_intra_app", TERTIARY]
    assert explanation.edition.edition == "2020"
    assert [record.kind for record in explanation.target.records] == ["observation"]
    assert explanation.target.provenance == "reconstructed"


@pytest.mark.parametrize("city", ["beijing", "北京", "Beijing", "BEIJING"])
@pytest.mark.parametrize("indicator", ["hospital", "医院数字化", "hospital digitalisation"])
def test_cities_and_indicators_go_by_code_or_name(published: Published, city: str, indicator: str) -> None:
    explanation = of(published, city, indicator)
    assert (explanation.city_code, explanation.target.code) == ("beijing", "hospital")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("atlantis", "total"), "medical_digital 2020 has no city 'atlantis'"),
        (("beijin", "total"), "is beijing meant?"),
        (("Suzhou", "total"), "several cities are called 'Suzhou': suzhou_ah, suzhou_js"),
        (("beijing", "nothing_like_it"), "medical_digital 2020 has no indicator 'nothing_like_it'"),
        (("beijing", "total", "--edition", "1999"), "has no edition '1999'; there is medical_digital (demo, 2020)"),
        (("beijing", "total", "--index", "x"), "no index 'x' is published"),
        (("wuhu", "total", "--edition", "demo"), "medical_digital demo has no city 'wuhu'; --edition 2020 has it"),
        (("beijing", "total", "--html", "{published}/x.html"), "which the project keeps"),
        (("beijing", "total", "--html", "{published}/none/x.html"), "which the project keeps"),
        (("beijing",), "INDICATOR"),
    ],
)
def test_a_wrong_question_is_told_in_one_line(published: Published, arguments: tuple[str, ...], said: str) -> None:
    place = {"published": published.settings.published}
    done = city_index("explain", *(argument.format(**place) for argument in arguments), home=published.home)
    assert done.returncode == 2
    assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_nothing_published_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NothingPublishable, match="city-index run"):
        explain(Settings(project_directory=PROJECT_DIRECTORY, home=tmp_path), "beijing", "total")


def test_the_terminal_shows_the_whole_chain(published: Published) -> None:
    done = city_index("explain", "北京", "total", home=published.home)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (account,) = (line for line in lines if line.startswith("The points of all 50 tertiaries"))
    summed, total = re.fullmatch(r".* add up to ([\d.]+); the published total is ([\d.]+)\.", account).groups()
    assert summed == total
    for line in lines:
        added = re.fullmatch(r" *= ([\d.+ ]+) = ([\d.]+) points of \w+ \(arithmetic mean\)", line)
        if added:
            terms = [float(term) for term in added[1].split(" + ")]
            assert sum(terms) == pytest.approx(float(added[2]), abs=0.00005 * (len(terms) + 1)), line
    assert sum(line.strip().startswith("= ") for line in lines) == 23
    assert re.search(r"rank 1 of 150 \(1 to \d in nine of ten worlds with other weights\)", done.stdout)
    assert "观测值为重建数据" in done.stdout and "Reconstructed observations" in done.stdout
    assert "(assumed)" in done.stdout and "新华三集团" in done.stdout


def test_a_demonstration_says_that_it_is_one(published: Published) -> None:
    done = city_index("explain", "hangzhou", TERTIARY, "--edition", "demo", "--records", "1", home=published.home)
    assert done.returncode == 0, done.stderr
    assert "虚构" in done.stdout and "synthetic" in done.stdout
    assert "rule hospitals_hospital_intra_app_emr (assumed)" in done.stdout
    assert "further records; table fct_hospital_grades has them all" in done.stdout


def test_json_holds_the_chain_and_the_nodes_below(published: Published) -> None:
    done = city_index("explain", "hangzhou", "hospital", "--edition", "demo", "--json", home=published.home)
    found = json.loads(done.stdout)
    assert found["path"] == ["total", "hospital"]
    assert found["nodes"][0]["code"] == "hospital"
    assert {node["code"] for node in found["nodes"]} >= {"hospital_intra_app", TERTIARY}
    assert found["notices"]


def test_the_page_holds_every_node_with_its_records_as_links(published: Published, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = city_index("explain", "hangzhou", "total", "--edition", "demo", "--html", str(page), home=published.home)
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert text.count("<details") == text.count("</details>") == 73
    links = rows(
        published.database,
        "select count(*) from rpt_score_trace where city_code = 'hangzhou' and edition = 'demo' "
        "and record_url is not null",
    )[0][0]
    assert text.count('<a href="https://demo.example/') == links > 20
    assert "虚构" in text and not re.search(r"<script|src=|https?://(?!demo\.example)", text)


def test_what_came_by_file_cannot_act_on_the_page() -> None:
    root = Node("total", "<b>总</b>", "x", 0, 1.0, "assumed", "arithmetic", None, 1.0, 1, 1.0, "exact", "derived", None)
    from city_index.explain import Record

    leaf = Node("a", "甲", "A", 3, 1.0, "assumed", None, "score", 1.0, 1, 1.0, "exact", "derived", None)
    leaf.records = [
        Record("evidence", "e1", "<script>alert(1)</script>", None, None, 1.0, None, None, "javascript:alert(1)"),
        Record("evidence", "e2", "x", None, None, 1.0, None, None, 'https://a.example/"onclick="alert(1)'),
    ]
    root.children = [leaf]
    edition = Edition("x", "1", 1, 1, "t", None, 1)
    page = explanation_page(Explanation("r", edition, "c", "城", "City", 1, None, (1, 1), (root, leaf), ()))
    assert "<script" not in page and "<b>总" not in page and "javascript:" not in page
    assert 'href="https://a.example/&#34;onclick=&#34;alert(1)"' in page
