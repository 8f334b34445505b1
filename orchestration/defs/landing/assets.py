"""The accepted and refused rows as assets: one step lands what lies in the landing folder."""

from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

import dagster as dg

from city_index.contracts import KINDS, contracts
from city_index.gates.landed import landed_asset
from city_index.gates.suites import LANDED
from city_index.landing.known import editions_with_frameworks
from city_index.landing.landing import LandedBatch, LandingOutcome
from city_index.landing.raw_store import BatchRecord, RawStore
from city_index.session import RebuildSession
from orchestration.checks import gate_check_results, gate_check_specs, not_asked

# The relations of the dbt source `landed`, by table; the kinds stand for their rows in raw/.
SOURCE_KEYS = {
    **{kind: dg.AssetKey(["raw", kind]) for kind in KINDS},
    "batches": dg.AssetKey(["raw", "batches"]),
    "quarantine": dg.AssetKey(["quarantine", "rows"]),
    "refused_files": dg.AssetKey(["quarantine", "refused_files"]),
}
_CHECKED = {landed_asset(kind): SOURCE_KEYS[kind] for kind in KINDS}
_DESCRIPTIONS = {
    **{kind: f"{contract.description} Accepted rows of all batches." for kind, contract in contracts().items()},
    "batches": "The record of every landed batch.",
    "quarantine": "Refused rows, each with its reason.",
    "refused_files": "Files that were refused whole and still lie in the landing folder.",
}

EDITIONS = dg.DynamicPartitionsDefinition(name="editions")
RETRIED_OBSERVATIONS = dg.AssetKey(["raw", "retried_observations"])


def edition_partition(index_code: str, edition: str) -> str:
    """The partition of an edition; what is no plain character in its codes is written as in an address."""
    return f"{quote(index_code, safe='')}/{quote(edition, safe='')}"


def edition_of_partition(partition: str) -> tuple[str, str]:
    """The index and edition of a partition."""
    index_code, _separator, edition = partition.partition("/")
    return unquote(index_code), unquote(edition)


def batch_metadata(batch: LandedBatch) -> dict[str, Any]:
    """What Dagster shows of a landed batch."""
    record = batch.record
    rows = "\n".join(
        f"| {row_number} | {_cell(reason)} | {_cell(detail)} |" for row_number, reason, detail in batch.sample
    )
    return {
        "batch_id": record.batch_id,
        "file_name": record.file_name,
        "file_sha256": record.file_sha256,
        "received": record.received_count,
        "accepted": record.accepted_count,
        "quarantined": record.quarantined_count,
        "reasons": dg.MetadataValue.json(batch.reasons),
        "sample": dg.MetadataValue.md(f"| row | reason | detail |\n|---|---|---|\n{rows}" if rows else "none"),
        **({"retry_of": record.retry_of} if record.retry_of else {}),
    }


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _report_batches(context: dg.AssetExecutionContext, outcome: LandingOutcome) -> None:
    for batch in outcome.batches:
        context.log_event(dg.AssetMaterialization(SOURCE_KEYS[batch.record.kind], metadata=batch_metadata(batch)))
    for sentence in outcome.sentences():
        context.log.info(sentence)


def _totals(records: list[BatchRecord], outcome: LandingOutcome, table: str) -> dict[str, Any]:
    if table in KINDS:
        mine = [record for record in records if record.kind == table]
        landed = [batch.record for batch in outcome.batches if batch.record.kind == table]
        return {
            "dagster/row_count": sum(record.accepted_count for record in mine),
            "batches": len(mine),
            "landed_now": sum(record.accepted_count for record in landed),
            "quarantined_now": sum(record.quarantined_count for record in landed),
        }
    if table == "quarantine":
        reasons = Counter()
        for batch in outcome.batches:
            reasons.update(batch.reasons)
        return {
            "dagster/row_count": sum(record.quarantined_count for record in records),
            "reasons_now": dg.MetadataValue.json(dict(reasons)),
        }
    if table == "refused_files":
        return {
            "dagster/row_count": len(outcome.refused),
            "files": dg.MetadataValue.json([file.sentence() for file in outcome.refused]),
        }
    return {"dagster/row_count": len(records)}


@dg.multi_asset(
    name="landing",
    specs=[
        dg.AssetSpec(key, group_name="landing", kinds={"parquet"}, description=_DESCRIPTIONS[table])
        for table, key in SOURCE_KEYS.items()
    ],
    check_specs=gate_check_specs(LANDED, _CHECKED),
    pool="warehouse",
)
def landing(
    context: dg.AssetExecutionContext, session: dg.ResourceParam[RebuildSession]
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Land what lies in the landing folder; every batch is an event of its own with counts, reasons and a sample."""
    outcome = session.land()
    _report_batches(context, outcome)
    records = RawStore(session.settings).records()
    for table, key in SOURCE_KEYS.items():
        yield dg.MaterializeResult(key, metadata=_totals(records, outcome, table))
    editions = [edition_partition(*edition) for edition in editions_with_frameworks(session.settings)]
    try:
        context.instance.add_dynamic_partitions(EDITIONS.name, sorted(set(editions)))
    except Exception as error:  # a list for backfills; the night does not depend on it
        context.log.warning(f"the partitions of editions could not be updated: {error}")
    yield from gate_check_results(outcome.checks, _CHECKED)
    yield from not_asked(LANDED, _CHECKED, outcome.checks)


@dg.asset(
    key=RETRIED_OBSERVATIONS,
    group_name="landing",
    kinds={"parquet"},
    partitions_def=EDITIONS,
    deps=[SOURCE_KEYS[kind] for kind in KINDS],
    pool="warehouse",
    description=(
        "Backfill of one edition: its quarantined observations that lacked a city or an indicator when they came are "
        "judged again; those that are accepted now become a batch of their own."
    ),
)
def retried_observations(
    context: dg.AssetExecutionContext, session: dg.ResourceParam[RebuildSession]
) -> dg.MaterializeResult:
    """Try the quarantined observations of the partition's edition again."""
    outcome = session.retry_edition(*edition_of_partition(context.partition_key))
    _report_batches(context, outcome)
    return dg.MaterializeResult(
        metadata={
            "accepted_now": sum(batch.record.accepted_count for batch in outcome.batches),
            "batches": dg.MetadataValue.json([batch.record.batch_id for batch in outcome.batches]),
        }
    )
