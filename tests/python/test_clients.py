"""What BI clients are given: the Superset dashboard, and the pins of the clients that `make clients` tries.

The clients themselves install packages, so they run by `make clients` and `make superset` and not here.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
import yaml

from city_index.settings import PROJECT_DIRECTORY
from clients.dashboard import BUNDLE, SOURCES, pack

REQUIREMENTS = PROJECT_DIRECTORY / "clients" / "requirements"


def sources(folder: str) -> dict[str, dict]:
    """The YAML files of a folder of the dashboard, by name."""
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in (SOURCES / folder).rglob("*.yaml")}


@pytest.fixture
def datasets() -> dict[str, dict]:
    return sources("datasets")


@pytest.fixture
def charts() -> dict[str, dict]:
    return sources("charts")


@pytest.fixture
def dashboard() -> dict:
    return sources("dashboards")["City_Index"]


def charts_on(dashboard: dict) -> dict[int, str]:
    """The charts that a dashboard shows: their UUIDs by the number that they have in it."""
    items = [item for item in dashboard["position"].values() if isinstance(item, dict) and item["type"] == "CHART"]
    return {item["meta"]["chartId"]: item["meta"]["uuid"] for item in items}


def test_the_bundle_is_packed_from_its_sources() -> None:
    assert BUNDLE.read_bytes() == pack(), "run: .venv/bin/python -m clients.dashboard"


def test_packing_depends_on_no_time_and_no_order(tmp_path: Path) -> None:
    for path in sorted(SOURCES.rglob("*.yaml"), reverse=True):
        copied = tmp_path / path.relative_to(SOURCES)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes(path.read_bytes())
    assert pack(tmp_path) == pack()


def test_the_bundle_holds_what_superset_imports() -> None:
    with zipfile.ZipFile(io.BytesIO(BUNDLE.read_bytes())) as bundle:
        names = bundle.namelist()
        (metadata,) = [yaml.safe_load(bundle.read(name)) for name in names if name.endswith("/metadata.yaml")]
    assert metadata["type"] == "Dashboard"
    assert len({name.split("/")[0] for name in names}) == 1


def test_the_connection_is_a_placeholder_that_only_reads() -> None:
    (database,) = sources("databases").values()
    assert database["sqlalchemy_uri"] == "duckdb:////path/to/city_index.duckdb"
    assert database["extra"]["engine_params"] == {"connect_args": {"read_only": True}}
    assert database["cache_timeout"] == -1  # no cache may hold back a new release
    assert not database["allow_dml"]


def test_all_parts_refer_to_each_other(datasets, charts, dashboard) -> None:
    (database,) = sources("databases").values()
    assert {dataset["database_uuid"] for dataset in datasets.values()} == {database["uuid"]}
    known = {dataset["uuid"] for dataset in datasets.values()}
    assert {chart["dataset_uuid"] for chart in charts.values()} == known
    shown = charts_on(dashboard)
    assert sorted(shown.values()) == sorted(chart["uuid"] for chart in charts.values())
    for each in dashboard["metadata"]["native_filter_configuration"]:
        assert {target["datasetUuid"] for target in each["targets"]} <= known
        assert set(each["scope"]["excluded"]) <= set(shown)
    uuids = [part["uuid"] for part in (database, dashboard, *datasets.values(), *charts.values())]
    assert len(uuids) == len(set(uuids))


def test_every_dataset_gives_the_columns_that_it_lists(datasets, release) -> None:
    for name, dataset in datasets.items():
        described = release.execute(f"describe {dataset['sql']}").fetchall()
        listed = [(column["column_name"], column["type"]) for column in dataset["columns"]]
        assert listed == [(column, data_type) for column, data_type, *_rest in described], name
        assert release.execute(f"select count(*) from ({dataset['sql']})").fetchone()[0] > 0, name


def test_no_dataset_shows_synthetic_editions(datasets, release) -> None:
    synthetic = set(release.execute("select index_code, edition from dim_editions where is_synthetic").fetchall())
    assert synthetic
    by_edition = [
        each for each in datasets.values() if "edition" in {column["column_name"] for column in each["columns"]}
    ]
    assert len(by_edition) == len(datasets) - 1  # checks are of the whole release
    for dataset in by_edition:
        shown = set(release.execute(f"select distinct index_code, edition from ({dataset['sql']})").fetchall())
        assert shown and not shown & synthetic, dataset["table_name"]


def test_the_ranking_keeps_every_city(datasets, release) -> None:
    query = datasets["city_index_ranking"]["sql"]
    shown = release.execute(f"select index_code, edition, city_code, total_rank from ({query}) order by all").fetchall()
    wanted = "select index_code, edition, city_code, total_rank from rpt_city_index where not is_synthetic order by all"
    assert shown == release.execute(wanted).fetchall()


def test_every_column_of_a_chart_and_a_filter_is_one_of_its_dataset(datasets, charts, dashboard) -> None:
    columns = {
        dataset["uuid"]: {column["column_name"] for column in dataset["columns"]} for dataset in datasets.values()
    }
    for name, chart in charts.items():
        (query,) = json.loads(chart["query_context"])["queries"]
        assert columns_of_a_query(query) <= columns[chart["dataset_uuid"]], name
        assert columns_of_params(chart["params"]) <= columns[chart["dataset_uuid"]], name
        assert columns_of_a_query(query) == columns_of_params(chart["params"]), name
    numbers = {uuid: number for number, uuid in charts_on(dashboard).items()}
    for each in dashboard["metadata"]["native_filter_configuration"]:
        (target,) = each["targets"]
        for chart in charts.values():
            if numbers[chart["uuid"]] not in each["scope"]["excluded"]:
                assert target["column"]["name"] in columns[chart["dataset_uuid"]], (each["name"], chart["slice_name"])


def test_the_dashboard_says_what_must_be_said(dashboard, datasets, release) -> None:
    (markdown,) = [
        item["meta"]["code"]
        for item in dashboard["position"].values()
        if isinstance(item, dict) and item["type"] == "MARKDOWN"
    ]
    publisher, notice = release.execute(
        "select distinct publisher_zh, notice_zh from rpt_city_index where edition = '2020'"
    ).fetchone()
    assert publisher in markdown
    for sentence in notice.split("。"):
        assert sentence in markdown
    for words in ("reconstructed", "not the authors' data", "weights are assumed", "vendor of the assessed sector"):
        assert words in markdown.replace("\n", " ")
    # Of every other edition the table below the words says it.
    listed = {column["column_name"] for column in datasets["city_index_editions"]["columns"]}
    assert {"publisher_zh", "publisher_en", "notice_zh", "notice_en"} <= listed


def test_one_edition_of_one_index_is_shown_at_a_time(dashboard) -> None:
    """Means over several editions would say nothing."""
    filters = {
        each["targets"][0]["column"]["name"]: each for each in dashboard["metadata"]["native_filter_configuration"]
    }
    assert set(filters) == {"index_code", "edition", "province", "tier"}
    for name in ("index_code", "edition"):
        assert filters[name]["requiredFirst"]
        assert filters[name]["controlValues"]["defaultToFirstItem"]
        assert not filters[name]["controlValues"]["multiSelect"]


@pytest.mark.parametrize("wanted", sorted(REQUIREMENTS.glob("*.in")), ids=lambda path: path.stem)
def test_clients_are_pinned_with_hashes(wanted: Path) -> None:
    pins = wanted.with_suffix(".txt").read_text(encoding="utf-8")
    packages = re.findall(r"^[a-z0-9][^\n]*", pins, flags=re.MULTILINE)
    assert packages
    assert all(re.match(r"[a-z0-9._-]+(\[[a-z,-]+\])?==[^ ]+ .*\\$", package) for package in packages)
    assert "://" not in pins


def test_the_node_client_is_pinned_with_hashes_and_names_no_registry() -> None:
    lock = json.loads((PROJECT_DIRECTORY / "clients" / "node" / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert all("integrity" in package and "resolved" not in package for package in packages.values())


def test_every_client_has_a_page_that_says_whether_it_was_tried() -> None:
    overview = (PROJECT_DIRECTORY / "docs" / "bi.md").read_text(encoding="utf-8")
    pages = sorted((PROJECT_DIRECTORY / "docs" / "bi").glob("*.md"))
    assert len(pages) >= 9
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert f"](bi/{page.name})" in overview, page
        assert ("**Tried** with" in text) != ("**Not tried here**" in text), page
        assert "## A new release" in text, page


def columns_of_a_query(query: dict) -> set[str]:
    """The columns that a saved query reads."""
    columns = {each if isinstance(each, str) else each["sqlExpression"] for each in query["columns"]}
    columns |= {metric["column"]["column_name"] for metric in query.get("metrics", []) if isinstance(metric, dict)}
    return columns | {each["col"] for each in query["filters"]}


def columns_of_params(params: dict) -> set[str]:
    """The columns that the form of a chart names."""
    columns = {params[name] for name in ("x_axis", "entity", "series") if name in params}
    for name in ("all_columns", "groupby", "columns"):
        columns |= set(params.get(name, []))
    metrics = [*params.get("metrics", []), *(params[name] for name in ("x", "y", "size") if name in params)]
    columns |= {metric["column"]["column_name"] for metric in metrics if isinstance(metric, dict)}
    return columns | {each["subject"] for each in params["adhoc_filters"]}
