"""Apache Superset on a published release, and while the next one is published: `make superset`.

What belongs here: the claims that docs/bi/superset.md makes, each tried. Run as ``python -m clients.prove_superset``.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import yaml

from city_index.errors import CityIndexError
from clients.dashboard import BUNDLE, SOURCES
from clients.environments import environment
from clients.findings import Findings
from clients.superset_api import Superset
from clients.superset_server import running_superset
from reliability.scratch import ScratchHome

CLIENT = "Superset"
_NEWEST_PYTHON = (3, 12)  # numpy 1.26, which Superset 6.1 pins, has no wheel for a later one
_LOOPS = 4
_ANSWERS_AFTER = 20
_COLUMNS = ["total_rank", "city_zh", "total_score", "index_code", "edition"]
_RANKING = f"select {', '.join(_COLUMNS)} from rpt_city_index"
# The release beside the rows it came with: an answer that mixed two releases would show.
_SCORES_COLUMNS = ["release_id", "index_code", "edition", "city_code", "total_rank", "total_score"]
_SCORES = f"select {', '.join(_SCORES_COLUMNS)} from fct_city_scores cross join meta_release"
_ROW_LIMIT = 10_000


@dataclass
class Watch:
    """What came back to loops of queries: which releases, in which order, and what went wrong."""

    answers: list[list[frozenset]] = field(default_factory=lambda: [[] for _loop in range(_LOOPS)])
    errors: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many answers came back."""
        return sum(len(loop) for loop in self.answers)


def prove(findings: Findings, scratch: Path) -> None:
    """Try every claim in a scratch folder."""
    installed = environment("superset", newest=_NEWEST_PYTHON)
    home = ScratchHome(scratch / "home")
    print("publishing a first release in a scratch home", flush=True)
    home.city_index("run")
    state = scratch / "superset"
    state.mkdir()
    versions = ", ".join(f"{name} {installed.version(name)}" for name in ("apache-superset", "duckdb", "duckdb-engine"))
    print(f"starting {versions}", flush=True)
    with running_superset(installed, state) as superset:
        connection = superset.add_database("By hand", f"duckdb:///{home.database}", cache_timeout=-1)
        findings.claim(CLIENT, "adds the database read-only, through its API", connection > 0)
        ranking = prove_a_chart(findings, superset, home, connection)
        charts = prove_the_dashboard(findings, superset, home)
        cached = chart_of_a_cached_connection(superset, home)
        prove_a_new_release(findings, superset, home, connection, [ranking, *charts.values()])
        prove_what_is_seen_after(findings, superset, home, ranking, charts, cached)
    home.city_index("verify")
    findings.claim(CLIENT, "left every published file as its manifest has it", True)


def prove_a_chart(findings: Findings, superset: Superset, home: ScratchHome, connection: int) -> dict:
    """A dataset and a chart on the ranking, whose rows are those of the file; gives the chart's query."""
    dataset = superset.add_dataset(connection, "rpt_city_index")
    columns = superset.request("GET", f"dataset/{dataset}")["result"]["columns"]
    names = home.rows("select column_name from duckdb_columns() where table_name = 'rpt_city_index'")
    same = {column["column_name"] for column in columns} == {name for (name,) in names}
    findings.claim(CLIENT, "makes a dataset on rpt_city_index with all its columns", same, f"{len(columns)} columns")
    query = superset.query_context(superset.add_table_chart("Ranking", dataset, _COLUMNS, _ROW_LIMIT))
    rows = rows_of(superset.run(query).rows, _COLUMNS)
    findings.claim(
        CLIENT, "shows the rows of the file in a chart", rows == set(home.rows(_RANKING)), f"{len(rows)} rows"
    )
    return query


def prove_the_dashboard(findings: Findings, superset: Superset, home: ScratchHome) -> dict[str, dict]:
    """The dashboard that ships, imported and run; gives the query of each of its charts, with the filters on."""
    superset.import_dashboard(BUNDLE.read_bytes())
    dashboard = yaml.safe_load((SOURCES / "dashboards" / "City_Index.yaml").read_text(encoding="utf-8"))
    found = superset.request("GET", f"dashboard/{dashboard['uuid']}")["result"]
    findings.claim(CLIENT, "imports the dashboard", found["dashboard_title"] == dashboard["dashboard_title"])
    database = yaml.safe_load((SOURCES / "databases" / "City_Index.yaml").read_text(encoding="utf-8"))
    identifiers = {each["database_name"]: each["id"] for each in superset.request("GET", "database/")["result"]}
    imported = f"database/{identifiers[database['database_name']]}"
    superset.request("PUT", imported, {"sqlalchemy_uri": f"duckdb:///{home.database}"})
    parts = superset.request("GET", f"{imported}/connection")["result"]
    kept = parts["sqlalchemy_uri"], json.loads(parts["extra"])["engine_params"], parts["cache_timeout"]
    same = kept == (f"duckdb:///{home.database}", database["extra"]["engine_params"], -1)
    findings.claim(CLIENT, "takes the file's real place and stays read-only and uncached", same, parts["extra"])
    charts = superset.request("GET", f"dashboard/{dashboard['uuid']}/charts")["result"]
    shown = [item for item in dashboard["position"].values() if isinstance(item, dict) and item["type"] == "CHART"]
    findings.claim(CLIENT, "has every chart of the dashboard", len(charts) == len(shown), f"{len(charts)} charts")
    queries = {}
    ((index_code, edition),) = home.rows("select index_code, edition from dim_editions where not is_synthetic")
    for chart in charts:
        name = chart["slice_name"]
        queries[name] = with_filters(superset.query_context(chart["id"]), index_code, edition)
        rows = superset.run(queries[name]).rows
        findings.claim(CLIENT, f"runs “{name}” of the dashboard", bool(rows), f"{len(rows)} rows")
    listed = ["total_rank", "rank_p05", "rank_p95", "total_score", "provenance"]
    (ranking,) = [chart["id"] for chart in charts if chart["slice_name"] == "Ranking with rank intervals"]
    shown = rows_as_listed(superset.run(superset.query_context(ranking)).rows, listed)
    wanted = home.rows(f"select {', '.join(listed)} from rpt_city_index where not is_synthetic")
    same = sorted(shown) == sorted(wanted)
    findings.claim(
        CLIENT, "ranks as the file does, without synthetic editions and any filter", same, f"{len(shown)} rows"
    )
    return queries


def chart_of_a_cached_connection(superset: Superset, home: ScratchHome) -> dict:
    """The query of a chart whose connection leaves caching to Superset, run once."""
    connection = superset.add_database("Cached", f"duckdb:///{home.database}", cache_timeout=None)
    dataset = superset.add_query_dataset(connection, "cached_scores", _SCORES)
    query = superset.query_context(superset.add_table_chart("Cached", dataset, _SCORES_COLUMNS, _ROW_LIMIT))
    superset.run(query)
    return query


def prove_a_new_release(
    findings: Findings, superset: Superset, home: ScratchHome, connection: int, others: list[dict]
) -> None:
    """Publish the next release while loops of queries go on, and hold every answer against the releases."""
    dataset = superset.add_query_dataset(connection, "scores_of_the_release", _SCORES)
    query = superset.query_context(superset.add_table_chart("Scores", dataset, _SCORES_COLUMNS, _ROW_LIMIT))
    before = frozenset(home.rows(_SCORES))
    home.ingest_a_correction()
    print("publishing the next release while Superset queries in loops", flush=True)
    watch = Watch()
    with querying(superset, query, others, watch) as answered:
        answered(_ANSWERS_AFTER)
        asked_before = watch.count
        home.city_index("run")
        asked_during = watch.count - asked_before
        answered(_ANSWERS_AFTER)
    after = frozenset(home.rows(_SCORES))
    (old,), (new,) = {row[0] for row in before}, {row[0] for row in after}
    changed = len({row[1:] for row in after} - {row[1:] for row in before})
    findings.claim(CLIENT, "is asked about two releases that differ", changed > 0, f"{changed} cities moved")
    findings.claim(CLIENT, "hits no error while a release is published", not watch.errors, "; ".join(watch.errors[:3]))
    findings.claim(CLIENT, "does not hold up the rebuild", asked_during > 0, f"{asked_during} answers meanwhile")
    whole = all(answer in (before, after) for loop in watch.answers for answer in loop)
    findings.claim(CLIENT, "gets every answer whole, from one release", whole, f"{watch.count} answers")
    last = [answer == after for loop in watch.answers for answer in loop[-1:]]
    seen = f"{old} before, {new} after, {_LOOPS} loops at once"
    findings.claim(
        CLIENT, "sees the new release without a restart, under load", len(last) == _LOOPS and all(last), seen
    )


def prove_what_is_seen_after(
    findings: Findings, superset: Superset, home: ScratchHome, ranking: dict, charts: dict[str, dict], cached: dict
) -> None:
    """What charts show once the new release stands."""
    rows = rows_of(superset.run(ranking).rows, _COLUMNS)
    findings.claim(CLIENT, "shows the new rows in the chart from before", rows == set(home.rows(_RANKING)))
    ((release,),) = home.rows("select release_id from meta_release")
    shown = {row["release_id"] for row in superset.run(charts["Checks of the release"]).rows}
    findings.claim(CLIENT, "shows the new release on the dashboard", shown == {release}, release)
    answer = superset.run(cached)
    stale = answer.is_cached and {row["release_id"] for row in answer.rows} != {release}
    findings.claim(CLIENT, "shows the old release from its cache where a connection has no timeout of -1", stale)
    fresh = {row["release_id"] for row in superset.run({**cached, "force": True}).rows}
    findings.claim(CLIENT, "shows the new one there once the dashboard is refreshed by hand", fresh == {release})


@contextmanager
def querying(superset: Superset, query: dict, others: list[dict], watch: Watch) -> Iterator[Callable[[int], None]]:
    """Loops of queries; gives a function that waits until each loop has got so many further answers."""
    stop = threading.Event()
    progress = threading.Condition()

    def ask(loop: int) -> None:
        for turn in count():
            if stop.is_set():
                return
            try:
                answer = frozenset(rows_of(superset.run(query).rows, _SCORES_COLUMNS))
                superset.run(others[(turn + loop) % len(others)])
            except Exception as error:
                watch.errors.append(" ".join(str(error).split())[:300])
                stop.set()
            else:
                watch.answers[loop].append(answer)
            with progress:
                progress.notify_all()

    def wait_for(further: int) -> None:
        wanted = [len(loop) + further for loop in watch.answers]
        with progress:
            progress.wait_for(
                lambda: (
                    stop.is_set() or all(len(loop) >= least for loop, least in zip(watch.answers, wanted, strict=True))
                )
            )

    threads = [threading.Thread(target=ask, args=(loop,)) for loop in range(_LOOPS)]
    for thread in threads:
        thread.start()
    try:
        yield wait_for
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def with_filters(query: dict, index_code: str, edition: str) -> dict:
    """The query of a chart as it is on the dashboard, whose filters choose an index and an edition."""
    chosen = [{"col": "index_code", "op": "IN", "val": [index_code]}, {"col": "edition", "op": "IN", "val": [edition]}]
    queries = [{**each, "filters": [*each.get("filters", []), *chosen]} for each in query["queries"]]
    return {**query, "queries": queries}


def rows_as_listed(rows: list[dict], columns: list[str]) -> list[tuple]:
    """Rows as tuples."""
    return [tuple(row[column] for column in columns) for row in rows]


def rows_of(rows: list[dict], columns: list[str]) -> set[tuple]:
    """Rows as a set of tuples."""
    return set(rows_as_listed(rows, columns))


def main() -> None:
    """Try everything, print what was found, and end with 0 where every claim holds."""
    findings = Findings()
    # Whoever ends this process ends its Superset too.
    signal.signal(signal.SIGTERM, lambda *_arguments: sys.exit("error: terminated"))
    try:
        with tempfile.TemporaryDirectory() as scratch:
            prove(findings, Path(scratch))
    except CityIndexError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"\n{CLIENT}: {findings.summary()}")
    sys.exit(findings.exit_code)


if __name__ == "__main__":
    main()
