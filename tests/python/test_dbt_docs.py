"""dbt's documentation as one file: whole, silent on the network and about the machine, and made once."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support import Published, copy_home, rows

from city_index.builds import Build, dbt_environment, is_audited, latest_build, parsed_folder
from city_index.checksums import file_sha256
from city_index.dbt_docs import _script, dbt_docs_page, write_dbt_docs
from city_index.errors import CityIndexError
from city_index.settings import PROJECT_DIRECTORY, Settings


@pytest.fixture(scope="module")
def build(published: Published) -> Build:
    return latest_build(published.settings)


@pytest.fixture(scope="module")
def page(build: Build) -> str:
    return dbt_docs_page(build)


def embedded(page: str, name: str) -> dict[str, Any]:
    """The JSON that the page's script holds under a name."""
    (place,) = [found.end() for found in re.finditer(rf"[{{,]{name}:(?=\{{\")", page)]
    return json.JSONDecoder().raw_decode(page, place)[0]


class _Elements(HTMLParser):
    """The elements of a page in their order, and all that they refer to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    @property
    def references(self) -> list[str]:
        names = ("src", "href", "xlink:href", "srcset", "data", "action", "poster")
        return [attributes[name] for _tag, attributes in self.tags for name in names if name in attributes]


def test_a_browser_has_nothing_to_load_and_may_not(page: str) -> None:
    elements = _Elements(page)
    assert [found for found in elements.references if not found.startswith(("data:", "#"))] == []
    names = [tag for tag, _attributes in elements.tags]
    (policy,) = [a["content"] for t, a in elements.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert names.index("meta") < names.index("script")
    assert policy.startswith("default-src 'none';")
    assert not re.search(r"https?:|//|\*|'self'|connect-src", policy)


def test_the_tracker_of_the_page_is_off_and_has_no_address(page: str) -> None:
    assert embedded(page, "manifest")["metadata"]["send_anonymous_usage_stats"] is False
    assert "cloudfront" not in page
    assert "collect.com" not in page


def test_it_says_nothing_of_the_machine_or_of_who_made_it(page: str, build: Build, published: Published) -> None:
    metadata = json.loads((build.dbt_target / "manifest.json").read_text(encoding="utf-8"))["metadata"]
    for text in (
        *(str(published.home), str(PROJECT_DIRECTORY), str(Path.home()), sys.prefix, os.uname().nodename + "/"),
        *(metadata["invocation_id"], metadata["generated_at"], build.build_id),
    ):
        assert text not in page, text
    kept = embedded(page, "manifest")["metadata"]
    assert not kept.keys() & {"user_id", "env", "invocation_id", "generated_at", "run_started_at"}


def test_every_published_table_is_there_with_its_columns_as_published(page: str, published: Published) -> None:
    manifest, catalogue = embedded(page, "manifest"), embedded(page, "catalog")
    named = {node["name"]: key for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    columns: dict[str, dict[str, tuple[str, str]]] = {}
    for table, column, data_type, comment in rows(
        published.database,
        "select table_name, column_name, data_type, comment from duckdb_columns() where not internal",
    ):
        columns.setdefault(table, {})[column] = (data_type, comment)
    assert len(columns) > 40
    for table in columns.keys() - {"meta_release", "meta_checks"}:
        shown = catalogue["nodes"][named[table]]["columns"]
        assert {name: (each["type"], each["comment"]) for name, each in shown.items()} == columns[table]
        described = manifest["nodes"][named[table]]["columns"]
        assert {name: each["description"] for name, each in described.items()} == {
            name: comment for name, (_type, comment) in columns[table].items()
        }


def test_it_shows_the_metrics_and_exposures_and_what_the_scores_are(page: str) -> None:
    manifest = embedded(page, "manifest")
    assert "metric.city_index.gdp_weighted_total_score" in manifest["metrics"]
    assert "exposure.city_index.report_site" in manifest["exposures"]
    overview = manifest["docs"]["doc.city_index.__overview__"]["block_contents"]
    for said in ("reconstruction, not the authors' data", "weights is assumed", "synthetic", "重建", "虚构"):
        assert said in overview


def test_the_catalogue_is_the_one_that_dbt_makes(page: str, build: Build, published: Published, tmp_path: Path) -> None:
    """dbt opens a database for writing, so it gets a copy. All codes of a column are its type there, and ENUM here."""
    database = tmp_path / build.database.name
    shutil.copyfile(build.database, database)
    made = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "--quiet", "docs", "generate", "--no-compile"],
        cwd=PROJECT_DIRECTORY,
        env={
            **dbt_environment(published.settings, tmp_path / "target"),
            "CITY_INDEX_BUILD_DATABASE": str(database),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    by_dbt = json.loads((tmp_path / "target" / "catalog.json").read_text(encoding="utf-8"))
    catalogue = embedded(page, "catalog")
    coded = set()
    for kind in ("nodes", "sources"):
        assert by_dbt[kind].keys() == catalogue[kind].keys()
        for key, table in by_dbt[kind].items():
            for column in table["columns"].values():
                if column["type"].startswith("ENUM("):
                    column["type"] = "ENUM"
                    coded.add(key)
            assert {**table, "stats": {}} == catalogue[kind][key], key
    assert "model.city_index.int_tertiary_scores" in coded


def test_it_is_made_once_for_a_version_of_the_code_and_leaves_the_build_as_audited(
    published: Published, tmp_path: Path
) -> None:
    home = copy_home(published.home, tmp_path / "home")
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=home)
    build = latest_build(settings)
    kept = parsed_folder(settings, build.code_version) / "dbt_docs.html"
    kept.unlink(missing_ok=True)
    before = file_sha256(build.database)
    first, second, third, fourth = (tmp_path / f"{number}.html" for number in range(4))

    write_dbt_docs(settings, build, first)
    made = kept.stat()
    (build.dbt_target / "manifest.json").rename(tmp_path / "manifest.json")
    write_dbt_docs(settings, build, second)
    assert kept.stat().st_ino == made.st_ino
    assert first.read_bytes() == second.read_bytes() == kept.read_bytes()

    kept.write_bytes(first.read_bytes()[:1000])
    with pytest.raises(CityIndexError, match="holds no manifest"):
        write_dbt_docs(settings, build, third)
    (tmp_path / "manifest.json").rename(build.dbt_target / "manifest.json")
    write_dbt_docs(settings, build, third)
    assert third.read_bytes() == first.read_bytes()

    shutil.rmtree(kept.parent)
    write_dbt_docs(settings, build, fourth)
    assert fourth.read_bytes() == first.read_bytes()
    assert file_sha256(build.database) == before
    assert is_audited(build)


def test_no_text_ends_the_script_that_it_stands_in() -> None:
    text = "</script><script>alert(1)</script><!-- \u2028 北京"
    written = _script({"description": text})
    assert "<" not in written
    assert json.loads(written) == {"description": text}
