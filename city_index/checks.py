"""Check results: one shape for dbt's tests and for the expectations of the gates.

What belongs here: reading results and saying what they mean. Running them is dbt's and the gates' work.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from city_index.database import open_database

CRITICAL = "critical"
WARNING = "warning"

PASSED = "passed"
WARNED = "warned"
FAILED = "failed"
SKIPPED = "skipped"

# The kinds of nodes that `dbt build` runs in this project.
BUILT_KINDS = ("model", "seed", "test", "unit_test")

# Where dbt's manifest keeps what a result can be about.
_NODE_KINDS = ("nodes", "unit_tests", "sources", "exposures", "saved_queries")

# How many offending rows a check keeps, and how many of them a message shows.
_KEPT_ROWS = 200
_SHOWN_ROWS = 3
_BETWEEN_ROWS = " | "


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: the claim that was checked.
        kind: dbt_test, dbt_unit_test, gx_landed, gx_raw or gx_marts.
        asset: the table or file it is about.
        status: passed, warned (failed with severity warning), failed or skipped.
        severity: critical stops publishing; warning is recorded.
        observed: what was found, in words or figures.
        threshold: what was expected.
        detail: the first offenders, where there are any.
    """

    name: str
    kind: str
    asset: str
    status: str
    severity: str
    observed: str
    threshold: str
    detail: str = ""

    @property
    def stops_publishing(self) -> bool:
        """Whether this result refuses the release."""
        return self.status == FAILED

    def sentence(self) -> str:
        """The result as one line for people."""
        rows = self.detail.split(_BETWEEN_ROWS)
        more = f"{_BETWEEN_ROWS}and {len(rows) - _SHOWN_ROWS} more in meta_checks" if len(rows) > _SHOWN_ROWS else ""
        offenders = f"; {_BETWEEN_ROWS.join(rows[:_SHOWN_ROWS])}{more}" if self.detail else ""
        return f"{self.asset}: {self.name}: observed {self.observed}, expected {self.threshold}{offenders}"


def write_checks(path: Path, checks: list[Check]) -> None:
    """Write check results as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(check) for check in checks], ensure_ascii=False, indent=1), encoding="utf-8")


def read_checks(path: Path) -> list[Check]:
    """Read check results that write_checks wrote."""
    return [Check(**item) for item in json.loads(path.read_text(encoding="utf-8"))]


def count_by_status(checks: list[Check]) -> dict[str, int]:
    """How many checks ended in each status; every status is a key."""
    counts = {PASSED: 0, WARNED: 0, FAILED: 0, SKIPPED: 0}
    for check in checks:
        counts[check.status] += 1
    return counts


def _offending_rows(database: Path, landed: Iterable[Path], query: str) -> str:
    """The first rows that a failed test found, as text; empty where they cannot be had."""
    try:
        with open_database(database, paths=landed) as connection:
            result = connection.execute(f"select * from ({query}) order by all limit {_KEPT_ROWS}")
            names = [column[0] for column in result.description]
            rows = result.fetchall()
    except duckdb.Error:
        return ""
    return _BETWEEN_ROWS.join(", ".join(f"{n}={v}" for n, v in zip(names, row, strict=True)) for row in rows)


@dataclass(frozen=True)
class DbtResults:
    """What a dbt invocation left behind.

    Attributes:
        checks: its data tests and unit tests.
        errors: one sentence for each node that could not run, other than because a check before it failed.
        left_out: the nodes of the project that it did not run, in one sentence; empty where it ran all.
        unit_tests: the unit tests of the project by dbt's id, whether it ran them or the same code had passed them.
    """

    checks: list[Check]
    errors: list[str]
    left_out: list[str]
    unit_tests: dict[str, Check]


def read_dbt_results(
    target: Path, database: Path, landed: Iterable[Path], unit_tests: Mapping[str, Check]
) -> DbtResults:
    """Read dbt's ``run_results.json`` and ``manifest.json`` from its target folder.

    Args:
        target: dbt's target folder of the invocation.
        database: the database it built, for the offending rows of failed tests.
        landed: the files that views of the database read.
        unit_tests: by dbt's id the unit tests that the same code has passed; they count as run.

    Raises:
        FileNotFoundError: dbt ended before it wrote its results.
    """
    run_results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    # dbt has a result for whatever stands in its graph, also where there is nothing to build.
    nodes = {unique_id: node for kind in _NODE_KINDS for unique_id, node in manifest.get(kind, {}).items()}
    checks: list[Check] = []
    errors: list[str] = []
    tested: dict[str, Check] = {}
    for result in run_results["results"]:
        node = nodes[result["unique_id"]]
        resource_type = node["resource_type"]
        status = result["status"]
        message = " ".join((result.get("message") or "").split())
        if resource_type not in ("test", "unit_test"):
            if status == "error":
                errors.append(f"{resource_type} {node['name']} could not be built: {message}")
            continue
        config = node.get("config") or {}
        severity = WARNING if str(config.get("severity", "error")).lower() == "warn" else CRITICAL
        check_status = {"pass": PASSED, "warn": WARNED, "skipped": SKIPPED}.get(status, FAILED)
        detail = ""
        if resource_type == "test":
            observed = f"{result['failures']} rows" if result.get("failures") is not None else message or status
            threshold = "0 rows"
            asset = _tested_asset(node, nodes)
            if check_status in (FAILED, WARNED) and result.get("compiled_code"):
                detail = _offending_rows(database, landed, result["compiled_code"])
        else:
            observed = "as expected" if status == "pass" else (message or status)[:500]
            threshold = "the expected rows"
            asset = node.get("model", "")
        checks.append(
            Check(node["name"], f"dbt_{resource_type}", asset, check_status, severity, observed, threshold, detail)
        )
        if resource_type == "unit_test":
            tested[result["unique_id"]] = checks[-1]
    ran = {result["unique_id"] for result in run_results["results"] if result["status"] != "skipped"}
    kept = {unique_id: check for unique_id, check in unit_tests.items() if unique_id in nodes.keys() - tested.keys()}
    return DbtResults(
        checks=checks + list(kept.values()),
        errors=errors,
        left_out=_left_out(ran | kept.keys(), nodes),
        unit_tests=tested | kept,
    )


def _left_out(ran: Set[str], nodes: dict) -> list[str]:
    expected = {unique_id for unique_id, node in nodes.items() if node["resource_type"] in BUILT_KINDS}
    left_out = sorted(expected - ran)
    if not left_out:
        return []
    return [f"dbt left out {len(left_out)} of {len(expected)} nodes, such as {left_out[0]}; run the whole job"]


def _tested_asset(node: dict, nodes: dict) -> str:
    attached = node.get("attached_node")
    if attached and attached in nodes:
        return nodes[attached]["name"]
    depends_on = node["depends_on"]["nodes"]
    return nodes[depends_on[0]]["name"] if depends_on else ""
