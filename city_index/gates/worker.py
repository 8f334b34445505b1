"""The process that runs the gates with Great Expectations.

Great Expectations takes seconds of processor time to import, so it lives in a process of its own that is started
first and imports while the rest of the run starts; it stays for both gates. It reads one request per line from
standard input and answers each with one line of JSON on standard output; what libraries print goes to standard error.

Request: ``{"gate": "landed", "batches": [...]}`` or
``{"gate": "raw", "seeds": folder}`` or
``{"gate": "marts", "database": file, "last_release": file or null, "accepts_removals": bool}`` or
``{"data_docs": folder}``.
Answer: ``{"checks": [...]}`` or ``{"error": message}``.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

from city_index.checks import CRITICAL, FAILED, PASSED, SKIPPED, WARNED, WARNING, Check
from city_index.contracts import contracts
from city_index.database import connect, parquet_rows
from city_index.gates.data_docs import make_self_contained
from city_index.gates.landed import ACCOUNTS, FOUND_TYPES, landed_relation
from city_index.gates.registry import BATCHES
from city_index.gates.suites import LANDED, LAST_RELEASE, MARTS, RAW, REMOVALS, TREE_FAULTS, Batch, Claim, ValueSet
from city_index.landing.frameworks import seed_tree_faults
from city_index.seeds import load_seeds

# Profiles are made by SQL over files of any size, in bounded memory.
_MEMORY_OF_PROFILES = "1GiB"

# How many offenders a check names.
_SHOWN_OFFENDERS = 3


class GateWorker:
    """Runs gates and keeps their results for the data docs."""

    def __init__(self) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        import great_expectations

        self._gx = great_expectations
        self._context = great_expectations.get_context(mode="ephemeral")
        self._context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        self._source = self._context.data_sources.add_pandas("city_index")
        # The results of each gate's last run, each with the name of its validation.
        self._results: dict[str, list[tuple[str, Check]]] = {}

    def run(
        self,
        gate: str,
        connection: duckdb.DuckDBPyConnection,
        given: Collection[str] = (),
        accepts_removals: bool = False,
    ) -> list[Check]:
        """Check every batch of a gate.

        Args:
            gate: landed, raw or marts.
            connection: where the batches' queries run.
            given: what is there of the relations that batches need; a batch without its own is skipped.
            accepts_removals: whether a person said that cities or editions may go; their loss is then recorded only.
        """
        results: list[tuple[str, Check]] = []
        for batch in BATCHES[gate]:
            if accepts_removals:
                claims = tuple(replace(c, severity=WARNING) if c.name in REMOVALS else c for c in batch.claims)
                batch = replace(batch, claims=claims)
            if batch.needs and batch.needs not in given:
                absent = "no earlier release" if batch.needs == LAST_RELEASE else "nothing landed"
                checks = [
                    Check(c.name, f"gx_{gate}", batch.asset, SKIPPED, c.severity, absent, c.threshold)
                    for c in batch.claims
                ]
            else:
                checks = self._run_batch(gate, batch, connection)
            results += [(f"{gate}.{batch.name}", check) for check in checks]
        self._results[gate] = results
        return [check for _name, check in results]

    def _run_batch(self, gate: str, batch: Batch, connection: duckdb.DuckDBPyConnection) -> list[Check]:
        frame = connection.execute(batch.query).df()
        name = f"{gate}.{batch.name}"
        if name in {asset.name for asset in self._source.assets}:
            # The gate runs once more: what it defined before makes room.
            self._context.checkpoints.delete(name)
            self._context.validation_definitions.delete(name)
            self._context.suites.delete(name)
            self._source.delete_asset(name)
        suite = self._gx.ExpectationSuite(name=name)
        for claim in batch.claims:
            suite.add_expectation(self._expectation(claim, connection))
        definition = self._gx.ValidationDefinition(
            name=name,
            data=self._source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name),
            suite=self._context.suites.add(suite),
        )
        checkpoint = self._context.checkpoints.add(
            self._gx.Checkpoint(
                name=name,
                validation_definitions=[self._context.validation_definitions.add(definition)],
                result_format={
                    "result_format": "SUMMARY",
                    "unexpected_index_column_names": list(batch.identifiers),
                    "partial_unexpected_count": _SHOWN_OFFENDERS,
                },
            )
        )
        outcome = checkpoint.run(batch_parameters={"dataframe": frame})
        (validation,) = outcome.run_results.values()
        by_name = {result.expectation_config.meta["name"]: result for result in validation.results}
        return [self._check(gate, batch, claim, by_name[claim.name]) for claim in batch.claims]

    def _expectation(self, claim: Claim, connection: duckdb.DuckDBPyConnection) -> Any:
        arguments = {
            key: [row[0] for row in connection.execute(value.query).fetchall()]
            if isinstance(value, ValueSet)
            else value
            for key, value in claim.arguments.items()
        }
        expectation = getattr(self._gx.expectations, claim.expectation)
        return expectation(**arguments, severity=claim.severity, meta={"name": claim.name})

    @staticmethod
    def _check(gate: str, batch: Batch, claim: Claim, result: Any) -> Check:
        found = result.result or {}
        raised = [info.get("exception_message") for info in _exceptions(result.exception_info) if info]
        if raised:
            observed, detail = "the check itself failed", str(raised[0])
        elif "unexpected_count" in found:
            observed = f"{found['unexpected_count']} of {found['element_count']} rows fail"
            detail = _offenders(found, batch)
        else:
            observed, detail = str(found.get("observed_value")), ""
        failed_status = FAILED if claim.severity == CRITICAL else WARNED
        return Check(
            claim.name,
            f"gx_{gate}",
            batch.asset,
            PASSED if result.success else failed_status,
            claim.severity,
            observed,
            claim.threshold,
            "" if result.success else detail,
        )

    def write_data_docs(self, folder: Path) -> None:
        """Write Great Expectations' data docs of all gates run so far, as pages that load nothing from a network."""
        self._context.add_data_docs_site(
            site_name="release",
            site_config={
                "class_name": "SiteBuilder",
                "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            },
        )
        self._context.build_data_docs(site_names=["release"])
        self._context.delete_data_docs_site("release")
        make_self_contained(folder, [item for checks in self._results.values() for item in checks])


def _exceptions(exception_info: Any) -> list[dict]:
    """The exceptions of a result; they come as one record or as a record per metric."""
    if not isinstance(exception_info, dict):
        return []
    if "raised_exception" in exception_info:
        return [exception_info] if exception_info["raised_exception"] else []
    return [info for info in exception_info.values() if isinstance(info, dict) and info.get("raised_exception")]


def _is_told(value: Any) -> bool:
    """Whether a value says anything; a missing one does not."""
    import pandas

    return not pandas.isna(value)


def _offenders(found: dict, batch: Batch) -> str:
    rows = found.get("partial_unexpected_index_list") or []
    named = []
    for row in rows[:_SHOWN_OFFENDERS]:
        if not isinstance(row, dict):
            continue
        extra = {key: value for key, value in row.items() if key not in batch.identifiers and _is_told(value)}
        values = {**{key: row.get(key) for key in batch.identifiers}, **extra}
        named.append(", ".join(f"{key}={value}" for key, value in values.items()))
    return " | ".join(named)


def _answer(worker: GateWorker, request: dict) -> dict:
    if "data_docs" in request:
        worker.write_data_docs(Path(request["data_docs"]))
        return {"checks": []}
    gate = request["gate"]
    if gate == LANDED:
        files = [Path(batch["file"]) for batch in request["batches"]]
        with connect({"memory_limit": _MEMORY_OF_PROFILES}, paths=files) as connection:
            checks = worker.run(LANDED, connection, _load_landed(connection, request["batches"]))
    elif gate == RAW:
        with connect(paths=[Path(request["seeds"])]) as connection:
            try:
                load_seeds(connection, Path(request["seeds"]))
            except ValueError as error:
                unreadable = Check(
                    "inputs_can_be_read", "gx_raw", "seeds", FAILED, CRITICAL, str(error), "well-formed UTF-8 CSV"
                )
                return {"checks": [asdict(unreadable)]}
            _judge_trees(connection)
            checks = worker.run(RAW, connection)
    else:
        databases = {"build": Path(request["database"])}
        if request["last_release"]:
            databases[LAST_RELEASE] = Path(request["last_release"])
        with connect(databases=databases) as connection:
            connection.execute("use build.main")
            given = [LAST_RELEASE] if request["last_release"] else []
            checks = worker.run(MARTS, connection, given, bool(request.get("accepts_removals")))
    return {"checks": [asdict(check) for check in checks]}


def _judge_trees(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table of what is wrong with the shipped trees, by the rules that landed ones are held to."""
    connection.execute(f"create table {TREE_FAULTS} (file_row bigint, fault varchar)")
    faults = seed_tree_faults(connection, contracts()["frameworks"])
    if faults:
        connection.executemany(
            f"insert into {TREE_FAULTS} values (?, ?)", [(fault.row_number, fault.detail) for fault in faults]
        )


def _load_landed(connection: duckdb.DuckDBPyConnection, batches: list[dict]) -> list[str]:
    """Make what the profiles of landed batches are taken from; gives the relations that are there.

    Args:
        connection: gets the relations.
        batches: batch_id, kind, file (of accepted rows), received_count and quarantined_count of each.
    """
    connection.execute(
        f"create table {ACCOUNTS} (batch_id varchar, kind varchar, received_count bigint, quarantined_count bigint)"
    )
    connection.execute(f"create table {FOUND_TYPES} (kind varchar, column_name varchar, data_type varchar)")
    connection.executemany(
        f"insert into {ACCOUNTS} values (?, ?, ?, ?)",
        [(b["batch_id"], b["kind"], b["received_count"], b["quarantined_count"]) for b in batches],
    )
    relations = []
    for kind in sorted({batch["kind"] for batch in batches}):
        files = [Path(batch["file"]) for batch in batches if batch["kind"] == kind]
        relation = landed_relation(kind)
        connection.execute(f"create view {relation} as select * from {parquet_rows(files)}")
        connection.executemany(
            f"insert into {FOUND_TYPES} values (?, ?, ?)",
            [
                (kind, name, data_type)
                for name, data_type, *_rest in connection.execute(f"describe {relation}").fetchall()
            ],
        )
        relations.append(relation)
    return relations


def main() -> None:
    """Serve requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    worker = GateWorker()
    for line in sys.stdin:
        try:
            answer = _answer(worker, json.loads(line))
        except Exception as error:  # the answer carries it to the process that asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer, ensure_ascii=True, default=str) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
