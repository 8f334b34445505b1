"""The proof that MetricFlow's answers are the published figures: `make metrics`.

Each saved query of ``models/semantic/metrics.yml`` is asked of MetricFlow and held against the plain SQL that
``docs/metrics.md`` gives for it, and, where a published table has the same figures, against that table. Exits non-zero
where a row or a figure differs.
"""

from __future__ import annotations

import csv
import json
import math
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from city_index.errors import CityIndexError
from city_index.settings import Settings
from metrics.workspace import Workspace

PAGE = Path("docs") / "metrics.md"
TOLERANCE = 1e-9

# What is published of the same figures, by saved query: columns as MetricFlow names them, after the last `__`.
PUBLISHED = {
    "totals_by_edition": """
        select index_code, edition, as_of_date as day, mean_total_score, city_count, scored_city_count
        from dim_editions
        where not is_synthetic
    """,
    "totals_by_tier": """
        select index_code, edition, tier_code, scores.city_count as scored_city_count,
            scores.mean_score as mean_total_score, scores.median_score as median_total_score
        from fct_tier_scores as scores
        inner join dim_indicators as indicators using (index_code, edition, indicator_code)
        inner join dim_editions as editions using (index_code, edition)
        where indicators.level = 0 and not editions.is_synthetic
    """,
    "totals_by_cluster": """
        select index_code, edition, cluster_code, scores.city_count as scored_city_count,
            scores.mean_score as mean_total_score, scores.gdp_weighted_score as gdp_weighted_total_score
        from fct_cluster_scores as scores
        inner join dim_indicators as indicators using (index_code, edition, indicator_code)
        inner join dim_editions as editions using (index_code, edition)
        where indicators.level = 0 and not editions.is_synthetic
    """,
    "indicators_by_tier": """
        select index_code, edition, tier_code, indicator_code, scores.city_count as indicator_score_count,
            scores.mean_score as mean_indicator_score, scores.median_score as median_indicator_score,
            scores.min_score as lowest_indicator_score, scores.max_score as highest_indicator_score
        from fct_tier_scores as scores
        inner join dim_editions as editions using (index_code, edition)
        where not editions.is_synthetic
    """,
    "indicators_by_cluster": """
        select index_code, edition, cluster_code, indicator_code, scores.city_count as indicator_score_count,
            scores.mean_score as mean_indicator_score, scores.gdp_weighted_score as gdp_weighted_indicator_score
        from fct_cluster_scores as scores
        inner join dim_editions as editions using (index_code, edition)
        where not editions.is_synthetic
    """,
}

Key = tuple[str, ...]
Rows = dict[Key, dict[str, float | None]]


@dataclass(frozen=True)
class Comparison:
    """What two answers to one question have in common.

    Attributes:
        question: the saved query.
        against: what MetricFlow's answer was held against.
        row_count: the rows of the other answer.
        figure_count: the figures that were compared.
        largest_difference: of two figures, relative where they are above one.
        differences: in words, each row or figure that differs.
    """

    question: str
    against: str
    row_count: int
    figure_count: int
    largest_difference: float
    differences: list[str]


def plain_sql(page: str) -> dict[str, str]:
    """The SQL that the page about the metrics gives, by saved query."""
    return dict(re.findall(r"^### (\w+)\n(?:(?!^#).)*?```sql\n(.*?)```", page, flags=re.DOTALL | re.MULTILINE))


def _ask(workspace: Workspace, *arguments: str) -> None:
    """Run ``mf``.

    Raises:
        CityIndexError: it fails; the message is its own.
    """
    asked = subprocess.run(
        [sys.executable, "-m", "metrics.mf", *arguments],
        cwd=workspace.settings.project_directory,
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", asked.stdout + asked.stderr)
    if asked.returncode != 0:
        raise CityIndexError(f"mf {' '.join(arguments)} failed: {' '.join(said.split())[-800:]}")


def metricflow_rows(workspace: Workspace, question: str, keys: tuple[str, ...]) -> Rows:
    """MetricFlow's answer to a saved query."""
    answer = workspace.folder / f"{question}.csv"
    _ask(workspace, "query", "--saved-query", question, "--csv", str(answer), "--quiet")
    with answer.open(encoding="utf-8", newline="") as stream:
        return _by_key(
            ({name.split("__")[-1]: text for name, text in row.items()} for row in csv.DictReader(stream)), keys
        )


def sql_rows(workspace: Workspace, query: str, keys: tuple[str, ...]) -> Rows:
    """The answer of a query of the published tables, in the copy: a release that came since is another."""
    with duckdb.connect(str(workspace.database), read_only=True) as connection:
        found = connection.execute(query)
        names = [column[0] for column in found.description]
        return _by_key((dict(zip(names, row, strict=True)) for row in found.fetchall()), keys)


def _by_key(rows: Any, keys: tuple[str, ...]) -> Rows:
    found: Rows = {}
    for row in rows:
        key = tuple(_label(row[name]) for name in keys)
        if key in found:
            raise CityIndexError(f"two rows of one answer are of {key}; a key of {', '.join(keys)} is not enough")
        found[key] = {name: _number(value) for name, value in row.items() if name not in keys}
    return found


def _label(value: Any) -> str:
    """A value of a key as text: of a moment its day, and nothing for null."""
    text = "" if value is None else str(value)
    return re.sub(r"^(\d{4}-\d{2}-\d{2})[T ]00:00:00$", r"\1", text)


def _number(value: Any) -> float | None:
    return None if value in (None, "") else float(value)


def compare(question: str, against: str, answer: Rows, other: Rows, is_part: bool) -> Comparison:
    """Hold MetricFlow's answer against another.

    Args:
        question: the saved query.
        against: what the other answer is.
        answer: MetricFlow's rows.
        other: the other rows.
        is_part: whether the other may leave out groups without a code or without a score.
    """
    may_lack = {key for key, row in answer.items() if is_part and ("" in key or _is_empty(row))}
    expected = answer.keys() - (may_lack - other.keys())
    differences = [f"{key} is in one answer only" for key in sorted(expected ^ other.keys())]
    figures, largest = 0, 0.0
    for key in sorted(expected & other.keys()):
        for name, value in other[key].items():
            figures += 1
            difference = _difference(answer[key].get(name), value)
            largest = max(largest, difference)
            if not difference <= TOLERANCE:
                differences.append(f"{key} {name}: {answer[key].get(name)} instead of {value}")
    if not figures:
        differences.append("nothing could be compared")
    return Comparison(question, against, len(other), figures, largest, differences)


def _is_empty(row: Mapping[str, float | None]) -> bool:
    return any(name in ("scored_city_count", "indicator_score_count") and not value for name, value in row.items())


def _difference(first: float | None, second: float | None) -> float:
    if first is None or second is None:
        return 0.0 if first is second else math.inf
    return abs(first - second) / max(1.0, abs(second))


def _keys(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    """The columns that each saved query groups by, as the semantic manifest has them."""
    manifest = json.loads(
        (Workspace(settings).project / "target" / "semantic_manifest.json").read_text(encoding="utf-8")
    )
    return {
        query["name"]: tuple(
            re.findall(r"'(\w+)'", group)[-1].split("__")[-1] for group in query["query_params"]["group_by"]
        )
        for query in manifest["saved_queries"]
    }


def prove(settings: Settings) -> list[Comparison]:
    """Ask everything and compare.

    Raises:
        CityIndexError: something cannot be asked, or a saved query is not on the page.
    """
    workspace = Workspace(settings)
    workspace.prepare()
    _ask(workspace, "validate-configs")
    print("mf validate-configs: no errors")
    page = plain_sql((settings.project_directory / PAGE).read_text(encoding="utf-8"))
    keys = _keys(settings)
    if page.keys() != keys.keys():
        raise CityIndexError(f"{PAGE} and models/semantic differ in {', '.join(sorted(page.keys() ^ keys.keys()))}")
    comparisons = []
    for question, key in keys.items():
        answer = metricflow_rows(workspace, question, key)
        comparisons.append(compare(question, str(PAGE), answer, sql_rows(workspace, page[question], key), False))
        if question in PUBLISHED:
            table = re.search(r"from (\w+)", PUBLISHED[question])[1]
            published = sql_rows(workspace, PUBLISHED[question], key)
            comparisons.append(compare(question, table, answer, published, True))
    return comparisons


def main() -> int:
    """Prove and print a table; gives the exit code."""
    try:
        comparisons = prove(Settings.from_environment())
    except CityIndexError as error:
        print(f"metrics: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{'mf query --saved-query':<24}{'held against':<22}{'rows':>6}{'figures':>9}{'largest difference':>20}")
    for each in comparisons:
        print(
            f"{each.question:<24}{each.against:<22}{each.row_count:>6}{each.figure_count:>9}"
            f"{each.largest_difference:>20.1e}{'  DIFFERS' if each.differences else ''}"
        )
    for each in comparisons:
        for difference in each.differences[:5]:
            print(f"{each.question} against {each.against}: {difference}")
    differing = sum(bool(each.differences) for each in comparisons)
    print(f"{len(comparisons)} comparisons, {differing} with differences above {TOLERANCE:g}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
