"""The models' SQL: portable to Spark, readable, and free of weights and codes."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import sqlglot
from support import Published

from city_index.settings import PROJECT_DIRECTORY

MODELS = sorted((PROJECT_DIRECTORY / "models").rglob("*.sql"))
PYTHON_MODELS = sorted((PROJECT_DIRECTORY / "models").rglob("*.py"))
SQL_FILES = sorted(
    [*MODELS, *(PROJECT_DIRECTORY / "tests" / "dbt").rglob("*.sql"), *(PROJECT_DIRECTORY / "macros").glob("*.sql")]
)
# macros/duckdb/ and macros/spark/ hold what is an engine's own and dispatched by adapter.
# What DuckDB takes and Spark does not, or takes otherwise: concat passes over nulls in one and not in the other, and
# ltrim and rtrim take their two texts the other way round; trim(trailing a from b) is the same in both.
NOT_PORTABLE = (
    r"\b(exclude|qualify|arg_max|arg_min|generate_series|varchar|list_transform|unnest)\b",
    r"\bconcat\(|\b[lr]trim\(|::|\bgroup by all\b",
)


def test_every_model_has_its_own_yaml() -> None:
    assert [path for path in [*MODELS, *PYTHON_MODELS] if not path.with_suffix(".yml").is_file()] == []


@pytest.mark.slow
def test_every_compiled_model_and_test_parses_in_both_dialects(published: Published) -> None:
    compiled = [
        path
        for path in (published.home / "warehouse" / "build" / "dbt" / "compiled").rglob("*.sql")
        if path.parent.suffix != ".yml" or "unit_test" not in path.name
    ]
    assert len(compiled) > 90
    for path in compiled:
        text = path.read_text(encoding="utf-8")
        for dialect in ("duckdb", "spark"):
            assert len(sqlglot.parse(text, dialect=dialect)) == 1, (path, dialect)


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda path: path.name)
def test_sql_is_portable_and_lower_case(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}|--[^\n]*|'(?:[^']|'')*'", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert [found for pattern in NOT_PORTABLE for found in re.findall(pattern, text)] == []
    assert re.findall(r"\b(SELECT|FROM|WHERE|JOIN|GROUP|ORDER|CASE|AND|OR)\b", text) == []
    assert re.findall(r"\bas [a-z]\b", text) == []


@pytest.mark.parametrize(
    "path",
    sorted({*SQL_FILES, *(PROJECT_DIRECTORY / "macros").rglob("*.sql")}),
    ids=lambda path: str(path.relative_to(PROJECT_DIRECTORY)),
)
def test_no_line_is_too_long(path: Path) -> None:
    assert [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > 120] == []


def test_no_model_knows_a_code_of_the_report() -> None:
    codes = set()
    for name, column in (
        ("frameworks", "indicator_code"),
        ("frameworks", "index_code"),
        ("tiers", "tier_code"),
        ("clusters", "cluster_code"),
        ("cities", "city_code"),
    ):
        with (PROJECT_DIRECTORY / "seeds" / f"{name}.csv").open(encoding="utf-8") as stream:
            codes |= {row[column] for row in csv.DictReader(stream)}
    for path in SQL_FILES:
        literals = set(re.findall(r"'([^']*)'", path.read_text(encoding="utf-8")))
        assert literals & codes == set(), path


def test_models_refer_downwards_only() -> None:
    layers = ("seeds", "staging", "intermediate", "marts", "reconciliation", "reports", "semantic")
    models = [*MODELS, *PYTHON_MODELS]
    layer_of = {path.stem: layers.index(path.parent.name) for path in models}
    layer_of |= {path.stem: 0 for path in (PROJECT_DIRECTORY / "seeds").glob("*.csv")}
    for path in models:
        for name in re.findall(r"""ref\(['"]([a-z_]+)['"]\)""", path.read_text(encoding="utf-8")):
            assert layer_of[name] <= layer_of[path.stem], (path, name)
            assert layer_of[name] > 0 or path.parent.name == "staging", (path, name)


def test_models_end_with_select_from_final() -> None:
    for path in MODELS:
        last = path.read_text(encoding="utf-8").strip().splitlines()[-1]
        made_by_macro = last.startswith(("{{ parent_scores(", "{{ tertiary_scores(")) or last == ") }}"
        assert last == "select * from final" or made_by_macro, path
