"""The report site: its figures are those of the published tables, and it stands on its own.

What belongs here: reading the pages back. How they behave in a browser is tried by `make pages`.
"""

from __future__ import annotations

import math
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import duckdb
import pytest
from editions_home import EditionsHome
from html_pages import Element, read_page
from support import Published

from city_index.comparison.sides import choose_sides
from city_index.report.addresses import LANGUAGES, file_names, in_language, link
from city_index.report.peers import PEER_COUNT, nearest_cities
from city_index.report.reading import EditionContents
from city_index.report.site import write_report
from city_index.report.wording import number, percent, signed, wrapped
from city_index.settings import Settings

EDITION = "medical_digital/2020"
FRONT_PAGE_BYTES = 3_000_000


def site(published: Published) -> Path:
    return published.settings.published / "report"


def figure(element: Element) -> float | None:
    """The unrounded figure that an element holds."""
    text = element.attributes["data-value"]
    return float(text) if text else None


def shown(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:,.{decimals}f}".replace("-", "−")


@pytest.fixture
def edition(release):
    """What the published tables hold of an edition."""

    def read(query: str) -> list[tuple]:
        return release.execute(
            query.replace("$edition", "index_code = 'medical_digital' and edition = '2020'")
        ).fetchall()

    return read


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_ranking_is_the_published_one(published: Published, edition, language: str) -> None:
    rows = read_page(site(published) / in_language("index.html", language)).one("table", id="ranking").all("tr")[1:]
    expected = edition(
        f"select report.total_rank, rank_p05, rank_p95, city_{language}, report.total_score, scores.total_score, "
        f"province_{language}, tier_{language} from rpt_city_index as report "
        "join fct_city_scores as scores using (index_code, edition, city_code) where $edition "
        "order by report.total_rank, city_code".replace(
            "$edition", "report.index_code = 'medical_digital' and edition = '2020'"
        )
    )
    assert len(rows) == len(expected) == 150
    for row, (rank, low, high, name, rounded, score, province, tier) in zip(rows, expected, strict=True):
        cells = [cell for cell in row.children if isinstance(cell, Element)]
        assert cells[0].text == str(rank)
        assert cells[1].text.strip() == (str(low) if low == high else f"{low}–{high}")
        assert cells[2].one("a").text == name
        assert cells[3].text == shown(rounded, 1)
        assert figure(cells[3]) == score
        assert cells[4].text == tier
        assert cells[5].text == province == row.attributes["data-province"]


def test_primaries_are_rounded_as_the_published_table_rounds_them(published: Published, edition) -> None:
    table = read_page(site(published) / "en" / "index.html").one("table", id="ranking")
    header = [cell.text for cell in table.all("tr")[0].all("th")]
    seen = 0
    for row, (*pairs,) in zip(
        table.all("tr")[1:],
        edition(
            "select primary_1_name_en, primary_1_score, primary_2_name_en, primary_2_score, primary_3_name_en, "
            "primary_3_score, primary_4_name_en, primary_4_score from rpt_city_index where $edition "
            "order by total_rank, city_code"
        ),
        strict=True,
    ):
        cells = [cell for cell in row.children if isinstance(cell, Element)]
        for name, score in zip(pairs[::2], pairs[1::2], strict=True):
            assert cells[header.index(name)].text == shown(score, 1)
            seen += 1
    assert seen == 600


def test_every_city_page_shows_the_published_figures(published: Published, edition) -> None:
    scores: dict[str, dict[str, tuple]] = {}
    for city, *row in edition(
        "select city_code, indicator_code, score, rank, contribution, provenance, round(score, 1) "
        "from fct_indicator_scores where $edition"
    ):
        scores.setdefault(city, {})[row[0]] = tuple(row[1:])
    totals = {
        row[0]: row[1:]
        for row in edition("select city_code, total_score, total_rank from fct_city_scores where $edition")
    }
    assert len(totals) == 150
    for city, (total, rank) in totals.items():
        page = read_page(site(published) / EDITION / "city" / f"{city}.html")
        assert figure(page.one(data_figure="total_score")) == total
        assert page.one(data_figure="total_rank").text == str(rank)
        rows = page.having("tr", "data-indicator")
        assert {row.attributes["data-indicator"] for row in rows} == set(scores[city]) - {"total"}
        leaves = []
        for row in rows:
            score, place, contribution, provenance, rounded = scores[city][row.attributes["data-indicator"]]
            assert figure(row.one(data_figure="score")) == score
            assert row.one(data_figure="score").text.strip() == shown(rounded, 1)
            assert row.one(data_figure="rank").text == str(place)
            assert figure(row.one(data_figure="contribution")) == contribution
            assert ("重建" in row.text) == (provenance == "reconstructed")
            if row.attributes["class"] == "level3":
                leaves.append(contribution)
        assert math.isclose(math.fsum(leaves), total, abs_tol=1e-9)


def test_every_indicator_page_shows_the_published_figures(published: Published, edition) -> None:
    best = edition(
        "select indicator_code, city_code, score from fct_indicator_scores where $edition and rank <= 10 "
        "qualify row_number() over (partition by indicator_code order by rank, city_code) <= 10 order by all"
    )
    with_parent = {
        row[0]: row[1]
        for row in edition(
            "select indicator_code, pearson from fct_correlations where $edition and relation = 'with_parent'"
        )
    }
    siblings = dict(
        edition(
            "select indicator_code, count(*) over (partition by parent_code)::int from dim_indicators where $edition"
        )
    )

    def read_tied(code: str) -> int:
        query = f"select rank from fct_indicator_scores where $edition and indicator_code = '{code}'"
        ranks = [rank for (rank,) in edition(query)]
        listed = sorted(rank for rank in ranks if rank <= 10)[:10]
        return ranks.count(listed[-1]) - listed.count(listed[-1])

    for code, weight in edition("select indicator_code, effective_weight from dim_indicators where $edition"):
        page = read_page(site(published) / EDITION / "indicator" / f"{code}.html")
        assert figure(page.one(data_figure="effective_weight")) == weight
        cities = {
            row.attributes["data-city"]: figure(row.having("td", "data-value")[0])
            for row in page.having("tr", "data-city")
        }
        assert cities == {city: score for indicator, city, score in best if indicator == code}
        assert {row.attributes["data-relation"] for row in page.having("td", "data-relation")} <= {
            "with_parent",
            "with_total",
            "within_parent",
        }
        assert len(page.all("td", data_relation="within_parent")) == siblings[code] - 1
        tied = read_tied(code)
        assert (f"另有 {tied} 个" in page.text) == (tied > 0)
        # No rule from records made a value of this edition.
        assert "由记录推算的规则" not in page.text
        if code in with_parent:
            assert figure(page.one("td", data_relation="with_parent")) == with_parent[code]
    assert len(with_parent) == 72


def test_the_method_page_holds_every_printed_figure_with_its_status(published: Published, release) -> None:
    page = read_page(site(published) / "en" / EDITION / "method.html")
    facts = {
        row.attributes["data-fact"]: (row.attributes["data-status"], *map(figure, row.having("td", "data-value")))
        for row in page.one("table", id="reconciliation").having("tr", "data-fact")
    }
    assert facts == {
        row[0]: row[1:]
        for row in release.execute(
            "select fact_id, status, published_value, computed_value, difference from rpt_reconciliation"
        ).fetchall()
    }
    assert len(facts) == 421
    weights = dict(
        release.execute("select indicator_code, weight from dim_indicators where edition = '2020'").fetchall()
    )
    rows = [row for row in page.having("tr", "data-indicator") if row.all(data_figure="weight")]
    assert {row.attributes["data-indicator"]: figure(row.one(data_figure="weight")) for row in rows} == weights


def test_the_page_of_checks_counts_them_all(published: Published, release) -> None:
    page = read_page(site(published) / "checks.html")
    for status, count in release.execute("select status, count(*) from meta_checks group by all").fetchall():
        assert page.one(data_figure=status).text == str(count)
        assert len(page.one("table", id="checks").all("tr", data_status=status)) == count


def test_the_dictionary_has_every_column(published: Published, release) -> None:
    page = read_page(site(published) / "dictionary.html")
    for table, column, comment in release.execute(
        "select table_name, column_name, comment from duckdb_columns() where not internal"
    ).fetchall():
        section = page.one("section", aria_labelledby=table)
        assert any(row.text.startswith(column) and comment in row.text for row in section.all("tr")), (table, column)


def test_every_page_of_an_edition_says_what_its_scores_are(published: Published, release) -> None:
    for index_code, edition_label, *notices in release.execute(
        "select distinct index_code, edition, notice_zh, notice_en from rpt_city_index"
    ).fetchall():
        for language, notice in zip(LANGUAGES, notices, strict=True):
            pages = list((site(published) / in_language(f"{index_code}/{edition_label}", language)).rglob("*.html"))
            if edition_label == "2020":
                pages.append(site(published) / in_language("index.html", language))
            assert len(pages) > 100
            for path in pages:
                said = [element.text for element in read_page(path).all(role="note")]
                assert any(notice in text for text in said), path
    for path in site(published).glob("*.html"):
        if path.name != "dbt_docs.html":
            assert "重建" in "".join(element.text for element in read_page(path).all(role="note")), path


def _pages(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.html") if path.name != "dbt_docs.html"]


def assert_stands_on_its_own(folder: Path) -> None:
    """No page loads anything from elsewhere, and every link within the release leads somewhere."""
    for path in _pages(folder):
        page = read_page(path)
        for element in page.walk():
            for attribute in ("src", "href", "xlink:href"):
                target = element.attributes.get(attribute)
                if not target or target == "data:,":
                    continue
                parts = urlsplit(target)
                if parts.scheme:
                    # Only what a reader clicks may lead out: the address of a record.
                    assert element.tag == "a" and parts.scheme in ("http", "https"), (path, target)
                elif parts.path:
                    assert (path.parent / unquote(parts.path)).exists(), (path, target)
        for script in page.all("script"):
            assert script.attributes.get("src") and not script.text.strip(), path
    for asset in (folder / "assets").iterdir():
        text = asset.read_text(encoding="utf-8")
        assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest|import\(", text), asset


def test_the_site_stands_on_its_own(published: Published) -> None:
    assert_stands_on_its_own(site(published))
    assert (site(published) / "index.html").stat().st_size < FRONT_PAGE_BYTES


def test_the_first_release_has_nothing_to_compare_with(published: Published) -> None:
    assert "This is the first release" in read_page(site(published) / "en" / "changes.html").text


def _written(published: Published, database: Path, folder: Path, **changes) -> Path:
    write_report(replace(published.settings, **changes), database, None, folder)
    return folder


def test_the_same_release_gives_the_same_pages_and_a_limit_leaves_the_best_cities(
    published: Published, tmp_path: Path
) -> None:
    again = _written(published, published.database, tmp_path / "again")
    for path in _pages(site(published)):
        name = path.relative_to(site(published))
        # What moved is told from the release before.
        assert path.read_bytes() == (again / name).read_bytes(), name

    few = _written(published, published.database, tmp_path / "few", report_cities=7)
    assert_stands_on_its_own_within(few, published)
    page = read_page(few / "en" / "index.html")
    assert [row.all("a")[0].text for row in page.one("table", id="ranking").all("tr")[1:]][:2] == [
        "Beijing",
        "Shanghai",
    ]
    assert len(page.one("table", id="ranking").all("tr")) == 8
    assert re.search(r"The first\s+7\s+of\s+150", page.text)


def assert_stands_on_its_own_within(folder: Path, published: Published) -> None:
    """The same of a site that was written elsewhere than beside its release."""
    for name in (
        "city_index.xlsx",
        "city_index.duckdb",
        "datapackage.json",
        "CITATION.cff",
        "LICENCE.md",
        "manifest.json",
    ):
        (folder.parent / name).touch()
    (folder / "dbt_docs.html").touch()
    assert_stands_on_its_own(folder)


def test_whatever_names_hold_is_text(published: Published, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\"'&{{7*7}}|\n\u202e"
    database = tmp_path / "release.duckdb"
    shutil.copyfile(published.database, database)
    with duckdb.connect(str(database)) as connection:
        for table, columns in {
            "rpt_city_index": (
                "city_zh",
                "city_en",
                "province_zh",
                "notice_zh",
                "title_zh",
                "publisher_zh",
                "cluster_zh",
            ),
            "dim_indicators": ("name_zh", "name_en", "note"),
            "dim_editions": ("title_zh", "title_en", "publisher_zh", "note"),
            "dim_cities": ("name_zh",),
            "dim_tiers": ("name_zh",),
            "dim_clusters": ("name_zh",),
            "rpt_score_trace": ("record_title", "record_publisher", "record_detail", "record_url"),
            "meta_checks": ("observed", "detail"),
            "rpt_reconciliation": ("note", "scope"),
        }.items():
            for column in columns:
                connection.execute(f"update {table} set {column} = coalesce({column}, '') || ?", [hostile])
        connection.execute("update rpt_score_trace set record_url = 'javascript:alert(1)'")
    folder = _written(published, database, tmp_path / "report", report_cities=5)
    assert_stands_on_its_own_within(folder, published)
    seen = 0
    for path in _pages(folder):
        text = path.read_text(encoding="utf-8")
        assert "<script>alert" not in text and "49|" not in text, path
        assert 'href="javascript' not in text, path
        seen += hostile.split("|", maxsplit=1)[0] in read_page(path).text
    assert seen > 100


def test_every_edition_of_every_index_has_pages(editions: EditionsHome, published: Published) -> None:
    settings = Settings(project_directory=published.settings.project_directory, home=editions.home)
    folder = settings.published / "report"
    assert_stands_on_its_own(folder)
    with duckdb.connect(str(settings.published_database), read_only=True) as connection:
        keys = connection.execute(
            "select index_code, edition, scored_city_count, report_decimals from dim_editions "
            "where scored_city_count > 0"
        ).fetchall()
        assert len({key[0] for key in keys}) > 2
        for index_code, edition_label, city_count, decimals in keys:
            cities = folder / "en" / index_code / edition_label / "city"
            assert len(list(cities.glob("*.html"))) >= city_count
            for city, score in connection.execute(
                "select city_code, total_score from rpt_city_index where index_code = ? and edition = ?",
                [index_code, edition_label],
            ).fetchall():
                page = read_page(cities / f"{city}.html")
                assert page.one(data_figure="total_score").text == shown(score, decimals)
        changed = connection.execute(
            "select index_code, edition, city_code, data_effect, weight_effect, structure_effect from fct_score_changes"
        ).fetchall()
    assert changed
    for index_code, edition_label, city, *effects in changed:
        text = read_page(folder / "en" / index_code / edition_label / "city" / f"{city}.html").text
        assert all(signed(effect, 2) in text for effect in effects), (index_code, edition_label, city)


def test_the_page_of_changes_names_what_moved(editions: EditionsHome, published: Published, tmp_path: Path) -> None:
    settings = Settings(project_directory=published.settings.project_directory, home=editions.home)
    sides = choose_sides(settings, "previous", "published")
    write_report(settings, settings.published_database, sides, tmp_path / "report")
    with duckdb.connect(str(settings.published_database), read_only=True) as connection:
        connection.execute(f"attach '{sides.before.database}' as earlier (read_only)")
        moved = connection.execute(
            "select count(*) from fct_city_scores as now join earlier.fct_city_scores as before "
            "using (index_code, edition, city_code) where index_code = 'medical_digital' and edition = '2020' "
            "and abs(now.total_score - before.total_score) > 1e-9"
        ).fetchone()[0]
        batches = connection.execute("select file_name from meta_batches").fetchall()
    page = read_page(tmp_path / "report" / "en" / "changes.html")
    (section,) = [
        each for each in page.all("section") if each.all("h2") and each.one("h2").text.endswith("Healthcare 2020")
    ]
    assert section.one(data_figure="score_moved_count").text == str(moved)
    known = {name for (name,) in connection_rows(sides.before.database)}
    for (name,) in batches:
        assert (name in page.text) or name in known


def connection_rows(database: Path) -> list[tuple]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute("select file_name from meta_batches").fetchall()


# What needs no release.


def test_file_names_are_safe_and_differ_by_more_than_case() -> None:
    codes = [
        "beijing",
        "Beijing",
        "con",
        "a/b",
        "..",
        "北京",
        "x" * 200,
        "COM1",
        "ok-1_2",
        "nul",
        "en",
        "assets",
        "x-72726d8818f69306",
        "中文",
    ]
    names = file_names(codes)
    assert names["beijing"] != names["Beijing"]
    assert len({name.lower() for name in names.values()}) == len(codes)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name) for name in names.values())
    assert not {"con", "com1", "nul", ".."} & {name.lower() for name in names.values()}
    assert names["ok-1_2"] == "ok-1_2"
    assert link("en/a/b.html", "assets/x.css") == "../../assets/x.css"
    assert link("index.html", "../manifest.json") == "../manifest.json"


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (46.25, 1, "46.3"),
        (-46.25, 1, "−46.3"),
        (1e15, 1, "1,000,000,000,000,000.0"),
        (1234.5, 1, "1,234.5"),
        (-0.04, 1, "0.0"),
        (-2.25, 2, "−2.25"),
        (None, 1, "–"),
        (math.inf, 1, "–"),
        (0, 0, "0"),
    ],
)
def test_figures_are_written_as_people_read_them(value: float | None, decimals: int, expected: str) -> None:
    assert number(value, decimals) == expected


def test_a_share_that_is_nearly_all_is_not_all() -> None:
    assert [percent(share) for share in (1 - 1e-16, 0.99987, 0.4, 0.0001, 0, None)] == [
        "100 %",
        ">99 %",
        "40 %",
        "<1 %",
        "0 %",
        "–",
    ]
    assert [signed(value) for value in (1.0, -1.0, 0.0, 0.01)] == ["+1.0", "−1.0", "0.0", "0.0"]


def test_names_are_cut_into_even_lines() -> None:
    assert wrapped("医疗数字化基础设施", 16) == "医疗数字化|基础设施"
    assert wrapped("Guangdong-Hong Kong-Macao Greater Bay Area", 18).count("|") == 2
    assert wrapped("a|b", 18) == "a/b"


def _contents(profiles: dict[str, list[float | None]]) -> EditionContents:
    width = len(next(iter(profiles.values())))
    nodes = {f"s{place}": {"indicator_code": f"s{place}", "level": 2, "children": []} for place in range(width)}
    return EditionContents(
        row={},
        folder="",
        indicators=nodes,
        cities={code: {} for code in profiles},
        scores={
            code: {f"s{place}": {"score": score} for place, score in enumerate(profile)}
            for code, profile in profiles.items()
        },
    )


def test_the_nearest_cities_are_those_of_the_plain_formula() -> None:
    source = random.Random(20)
    profiles = {
        f"c{number:03}": [source.choice([None, *[source.uniform(0, 100)] * 6]) for _ in range(8)]
        for number in range(40)
    }
    profiles["flat"] = [None] * 8
    deviations = []
    for place in range(8):
        known = [profile[place] for profile in profiles.values() if profile[place] is not None]
        mean = math.fsum(known) / len(known)
        deviations.append(math.sqrt(math.fsum((score - mean) ** 2 for score in known) / (len(known) - 1)))

    def distance(one: list, other: list) -> float:
        shared = [
            ((left - right) / deviations[place]) ** 2
            for place, (left, right) in enumerate(zip(one, other, strict=True))
            if None not in (left, right)
        ]
        return math.sqrt(math.fsum(shared) / len(shared)) if len(shared) >= 4 else math.inf

    found = nearest_cities(_contents(profiles))
    for code, profile in profiles.items():
        expected = sorted(
            (round(distance(profile, other), 9), place, name)
            for place, (name, other) in enumerate(profiles.items())
            if name != code and distance(profile, other) < math.inf
        )[:PEER_COUNT]
        assert [name for name, _distance in found[code]] == [name for *_rest, name in expected], code
        assert all(
            math.isclose(near, wanted, abs_tol=1e-6)
            for (_name, near), (wanted, *_rest) in zip(found[code], expected, strict=True)
        )
    assert found["flat"] == []


@pytest.mark.parametrize("profile", [[50.0, 50.0], [None, None], [1e15, -1e15]])
def test_cities_that_are_all_alike_have_no_nearest_ones_or_equal_ones(profile: list[float | None]) -> None:
    found = nearest_cities(_contents({"one": profile, "two": profile}))
    assert found == {"one": [], "two": []}
