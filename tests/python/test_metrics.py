"""The metrics and who reads the tables: defined once, told truly, and equal to what is published.

What belongs here: what can be asked without MetricFlow. Its own answers are held against the same tables by
`make metrics`, in an environment of its own.
"""

from __future__ import annotations

import json
import re

import duckdb
import pytest
import yaml
from support import Published

from city_index.settings import PROJECT_DIRECTORY
from metrics.__main__ import PAGE, PUBLISHED, TOLERANCE, Rows, _by_key, compare, plain_sql

_AGGREGATES = {"average": "avg", "median": "median", "min": "min", "max": "max", "count": "count", "sum": "sum"}
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def declared(path: str, what: str) -> list[dict]:
    return yaml.safe_load((PROJECT_DIRECTORY / "models" / path).read_text(encoding="utf-8"))[what]


METRICS = {metric["name"]: metric for metric in declared("semantic/metrics.yml", "metrics")}
SAVED_QUERIES = {query["name"]: query["query_params"] for query in declared("semantic/metrics.yml", "saved_queries")}
SEMANTIC_MODELS = {model["name"]: model for model in declared("semantic/semantic_models.yml", "semantic_models")}
EXPOSURES = {exposure["name"]: exposure for exposure in declared("exposures.yml", "exposures")}
PAGE_SQL = plain_sql((PROJECT_DIRECTORY / PAGE).read_text(encoding="utf-8"))


def keys_of(question: str) -> tuple[str, ...]:
    return tuple(re.findall(r"'(\w+)'", group)[-1].split("__")[-1] for group in SAVED_QUERIES[question]["group_by"])


def answered(connection: duckdb.DuckDBPyConnection, query: str, keys: tuple[str, ...]) -> Rows:
    found = connection.execute(query)
    names = [column[0] for column in found.description]
    return _by_key((dict(zip(names, row, strict=True)) for row in found.fetchall()), keys)


def test_every_metric_is_described_on_its_page_and_labelled_in_both_languages() -> None:
    page = (PROJECT_DIRECTORY / PAGE).read_text(encoding="utf-8")
    for name, metric in METRICS.items():
        assert metric["description"].strip(), name
        assert f"`{name}`" in page, name
        assert _CHINESE.search(metric["label"]) and re.search(r"[A-Za-z]{4}", metric["label"]), name


def test_no_metric_counts_synthetic_records() -> None:
    for name, metric in METRICS.items():
        if metric["type"] == "simple":
            assert "__is_synthetic') }} = false" in metric["filter"], name
        else:
            parts = {metric["type_params"]["numerator"], metric["type_params"]["denominator"]}
            assert all(METRICS[part]["type"] == "simple" for part in parts), name


def measures() -> dict[str, tuple[str, dict]]:
    return {
        measure["name"]: (name, measure)
        for name, model in SEMANTIC_MODELS.items()
        for measure in model.get("measures", ())
    }


def expression(metric: str) -> str:
    """A metric as SQL, by what its YAML says."""
    parameters = METRICS[metric]["type_params"]
    if "numerator" in parameters:
        return f"{expression(parameters['numerator'])} / {expression(parameters['denominator'])}"
    _model, measure = measures()[parameters["measure"]]
    return f"{_AGGREGATES[measure['agg']]}({measure['expr']})"


def read_of(metric: str) -> str:
    """The semantic model that a metric reads."""
    parameters = METRICS[metric]["type_params"]
    return read_of(parameters["numerator"]) if "numerator" in parameters else measures()[parameters["measure"]][0]


@pytest.mark.parametrize("question", SAVED_QUERIES)
def test_the_metrics_as_declared_are_what_the_page_gives_in_sql(question: str, published: Published) -> None:
    (model,) = {read_of(metric) for metric in SAVED_QUERIES[question]["metrics"]}
    view = re.search(r"ref\('(\w+)'\)", SEMANTIC_MODELS[model]["model"])[1]
    keys = keys_of(question)
    grouped = ", ".join({"day": "as_of_date as day"}.get(key, f"read.{key}") for key in keys)
    figures = ", ".join(f"{expression(metric)} as {metric}" for metric in SAVED_QUERIES[question]["metrics"])
    query = (
        f"select {grouped}, {figures} "
        f"from (select views.*, province_zh, cluster_code from semantic.{view} as views "
        "inner join main.dim_cities using (city_code)) as read where not is_synthetic group by "
        + ", ".join(str(place + 1) for place in range(len(keys)))
    )
    with duckdb.connect(str(published.home / "warehouse" / "build" / "build.duckdb"), read_only=True) as build:
        declared_rows = answered(build, query, keys)
    with duckdb.connect(str(published.database), read_only=True) as release:
        page_rows = answered(release, PAGE_SQL[question], keys)
    compared = compare(question, "page", declared_rows, page_rows, is_part=False)
    assert compared.differences == []
    assert compared.figure_count == len(page_rows) * len(SAVED_QUERIES[question]["metrics"])


@pytest.mark.parametrize("question", PUBLISHED)
def test_the_sql_of_the_page_gives_the_published_figures(question: str, release) -> None:
    keys = keys_of(question)
    page_rows = answered(release, PAGE_SQL[question], keys)
    compared = compare(question, "table", page_rows, answered(release, PUBLISHED[question], keys), is_part=True)
    assert compared.differences == []
    assert compared.row_count > 0


def test_the_page_has_sql_for_every_saved_query_and_no_other() -> None:
    assert PAGE_SQL.keys() == SAVED_QUERIES.keys()


def test_a_difference_in_a_figure_or_a_row_is_found() -> None:
    answer = {("x", "a"): {"mean": 1.0, "count": 2.0}, ("x", ""): {"mean": 5.0, "count": 1.0}}
    assert compare("q", "t", answer, answer, is_part=False).differences == []
    assert compare("q", "t", answer, {("x", "a"): {"mean": 1.0}}, is_part=True).differences == []
    for other in (
        {("x", "a"): {"mean": 1.0 + 2 * TOLERANCE}},
        {("x", "a"): {"mean": None}},
        {("x", "a"): {"mean": 1.0}, ("x", ""): {"mean": 6.0}},
        {("x", "a"): {"median": 1.0}},
        {("x", "a"): {"mean": 1.0}, ("x", "b"): {"mean": 1.0}},
        {("x", "a"): {"mean": float("nan")}},
        {},
    ):
        assert compare("q", "t", answer, other, is_part=True).differences != []
    assert compare("q", "t", answer, {("x", "a"): {"mean": 1.0}}, is_part=False).differences != []


def references(exposure: str) -> set[str]:
    return {re.search(r"ref\('(\w+)'\)", each)[1] for each in EXPOSURES[exposure]["depends_on"]}


@pytest.mark.parametrize(
    ("exposure", "files"),
    [
        ("explain_command", ("explain.py", "published.py")),
        ("whatif_command", ("whatif.py", "published.py")),
    ],
)
def test_commands_are_exposed_with_the_tables_that_they_read(exposure: str, files: tuple[str, ...]) -> None:
    text = "\n".join((PROJECT_DIRECTORY / "city_index" / name).read_text(encoding="utf-8") for name in files)
    read = set(re.findall(r"(?:from|join) published\.((?:dim|fct|rpt)_\w+)", text))
    assert references(exposure) == read


def test_the_exports_are_exposed_with_every_published_model() -> None:
    models = PROJECT_DIRECTORY / "models"
    published_models = {path.stem for folder in ("marts", "reports") for path in (models / folder).glob("*.sql")}
    assert references("exports") == published_models


def test_exposures_are_owned_by_the_project_and_by_nobody_else() -> None:
    for name, exposure in EXPOSURES.items():
        assert exposure["owner"] == {"name": "City Index"}, name
        assert exposure["maturity"] in ("high", "medium", "low"), name
        assert references(name), name


def test_the_time_spine_has_every_day_between_the_editions(published: Published) -> None:
    with duckdb.connect(str(published.home / "warehouse" / "build" / "build.duckdb"), read_only=True) as build:
        days, first, last = build.execute(
            "select count(distinct day), min(day), max(day) from semantic.sem_days"
        ).fetchone()
        assert (first, last) == build.execute("select min(as_of_date), max(as_of_date) from dim_editions").fetchone()
    assert days == (last - first).days + 1


def test_what_the_metrics_read_is_not_published(published: Published) -> None:
    manifest = json.loads((published.settings.published / "manifest.json").read_text(encoding="utf-8"))
    assert [table for table in manifest["tables"] if table.startswith("sem_")] == []
    assert "fct_city_weights" in manifest["tables"]
