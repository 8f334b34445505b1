"""Writing the report site of a release: a folder of pages that open from disk, in two languages.

What belongs here: which pages there are and where they stand. What stands on them is in ``pages`` and ``templates``.
"""

from __future__ import annotations

import shlex
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2

from city_index.comparison.sides import Sides
from city_index.database import in_bounded_memory, open_database
from city_index.html import html_environment
from city_index.report.addresses import LANGUAGES, in_language, link
from city_index.report.charts import Charts
from city_index.report.pages.changes import Changes, changes_between, changes_page
from city_index.report.pages.city import city_page
from city_index.report.pages.front import front_page
from city_index.report.pages.indicator import indicator_page
from city_index.report.pages.method import method_page
from city_index.report.peers import nearest_cities
from city_index.report.reading import ReleaseContents, Row, read_release
from city_index.report.view import FRONT_PAGE, View
from city_index.report.wording import Words, number, percent, signed
from city_index.settings import Settings

_PACKAGE = Path(__file__).parent
_ASSETS = ("report.css", "report.js")

CHANGES_PAGE = "changes.html"

# dbt's own documentation, which is written beside the pages.
DBT_DOCS = "dbt_docs.html"

# What stands beside the site in the published folder, and dbt's documentation.
_DOWNLOADS = (
    ("../city_index.xlsx", ("Excel 工作簿，每张表一页，附代码本", "workbook: a sheet for each table, with a codebook")),
    ("../city_index.duckdb", ("DuckDB 数据库，供 BI 工具读取", "DuckDB database, for BI tools")),
    ("../datapackage.json", ("CSV 与 Parquet 的数据包描述", "data package of the CSV and Parquet files")),
    ("../CITATION.cff", ("引用方式", "how to cite")),
    ("../LICENCE.md", ("来源与权利说明", "origins and rights")),
    ("../manifest.json", ("清单与校验和", "manifest with checksums")),
    (DBT_DOCS, ("dbt 文档：模型与血缘（英文）", "dbt docs: models and their lineage")),
)


@dataclass(frozen=True)
class Site:
    """What every page of one language knows of the whole site."""

    release: Row
    editions: list[View]
    checks: list[Row]
    tables: list[Row]
    batches: list[Row]
    reasons: list[Row]
    notices: list[str]
    downloads: list[tuple[str, str]]
    words: Words
    front: str = FRONT_PAGE


def write_report(settings: Settings, database: Path, sides: Sides | None, folder: Path) -> int:
    """Write the report site of a release.

    Args:
        settings: how many cities get a page, and what memory may be used.
        database: the database of the release.
        sides: the release before and this one; None where there is none before.
        folder: where the site goes; it is made.

    Returns:
        how many pages were written.
    """
    memory = in_bounded_memory(settings.build_memory_bytes, settings.temporary / "spilled")
    with open_database(database, memory) as connection:
        contents = read_release(connection, settings.report_cities)
    peers = [nearest_cities(edition) for edition in contents.editions]
    (folder / "assets").mkdir(parents=True)
    for name in _ASSETS:
        shutil.copyfile(_PACKAGE / "assets" / name, folder / "assets" / name)
    changes = changes_between(settings, sides)
    written = 0
    for language in LANGUAGES:
        site = _site(contents, peers, Words(language))
        environment = _environment(site)
        for page, template, context in _pages(site, changes):
            text = _render(environment, site, page, template, context)
            path = folder / in_language(page, language)
            path.parent.mkdir(parents=True, exist_ok=True)
            # No page may take the place of another.
            with path.open("x", encoding="utf-8") as stream:
                stream.write(text)
            written += 1
    return written


def _site(contents: ReleaseContents, peers: list[dict[str, list[tuple[str, float]]]], words: Words) -> Site:
    charts = Charts(words)
    views = [
        View(contents=edition, words=words, charts=charts, peers=nearest, is_front=place == 0)
        for place, (edition, nearest) in enumerate(zip(contents.editions, peers, strict=True))
    ]
    names = Counter(view.name for view in views)
    views = [replace(view, needs_code=names[view.name] > 1) for view in views]
    return Site(
        release=contents.release,
        editions=views,
        checks=contents.checks,
        tables=contents.tables,
        batches=contents.batches,
        reasons=contents.reasons,
        notices=[f"{view.name}: {view.notice}" for view in views if view.notice],
        downloads=[(file, words(*text)) for file, text in _DOWNLOADS],
        words=words,
    )


def _pages(site: Site, changes: Changes) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every page of a language: its path, its template and what the template is given."""
    for view in site.editions:
        yield view.front_page, "front", {"view": view, **front_page(view, view.front_page)}
        yield view.method_page, "method", {"view": view, **method_page(view, view.method_page)}
        for code in view.contents.cities:
            page = view.city_page(code)
            yield page, "city", {"view": view, **city_page(view, page, code)}
        for code in view.contents.indicators:
            page = view.indicator_page(code)
            yield page, "indicator", {"view": view, **indicator_page(view, page, code)}
    statuses = Counter(check["status"] for check in site.checks)
    counts = [(status, statuses[status]) for status in ("passed", "warned", "failed", "skipped") if statuses[status]]
    yield "checks.html", "checks", {"view": None, "counts": counts, "kinds": sorted({c["kind"] for c in site.checks})}
    yield "dictionary.html", "dictionary", {"view": None}
    yield CHANGES_PAGE, "changes", {"view": None, **changes_page(site.editions, changes, CHANGES_PAGE)}


def _environment(site: Site) -> jinja2.Environment:
    """What renders the pages of a language; everything that comes from data is escaped."""
    environment = html_environment(_PACKAGE / "templates")
    environment.globals.update(
        site=site, w=site.words, number=number, percent=percent, signed=signed, shell=shlex.quote
    )
    return environment


def _render(environment: jinja2.Environment, site: Site, page: str, template: str, context: dict[str, Any]) -> str:
    here = in_language(page, site.words.language)
    other = next(language for language in LANGUAGES if language != site.words.language)
    return environment.get_template(f"{template}.html.jinja").render(
        to=lambda target: link(here, in_language(target, site.words.language)),
        file=lambda name: link(here, name),
        other_language=link(here, in_language(page, other)),
        **context,
    )
