"""The raw inputs as an asset, with the raw gate as its checks."""

from collections.abc import Iterator

import dagster as dg

from city_index.errors import GateRefused
from city_index.gates.registry import BATCHES
from city_index.gates.suites import RAW
from city_index.session import RebuildSession
from orchestration.checks import gate_check_results, gate_check_specs
from orchestration.defs.landing.assets import RETRIED_OBSERVATIONS, SOURCE_KEYS

RAW_INPUTS = dg.AssetKey("raw_inputs")
_ASSET_KEYS = {batch.asset: RAW_INPUTS for batch in BATCHES[RAW]}


@dg.asset(
    key=RAW_INPUTS,
    group_name="inputs",
    kinds={"csv", "great_expectations"},
    deps=[*SOURCE_KEYS.values(), RETRIED_OBSERVATIONS],
    description="All inputs, fingerprinted; the shipped ones held against the raw gate before anything is built.",
    check_specs=gate_check_specs(RAW, _ASSET_KEYS),
    pool="warehouse",
)
def raw_inputs(
    context: dg.AssetExecutionContext, session: dg.ResourceParam[RebuildSession]
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Begin a build and check its inputs; a critical failure stops everything downstream."""
    session.dbt.start()
    sizes = session.collect_inputs()
    checks = session.check_raw()
    yield dg.MaterializeResult(
        metadata={
            "build_id": session.build.build_id,
            "input_hash": session.build.input_hash,
            "code_version": session.build.code_version,
            "files": dg.MetadataValue.json(sizes),
        }
    )
    specified = {claim.name for batch in BATCHES[RAW] for claim in batch.claims}
    unreadable = [check for check in checks if check.name not in specified and check.stops_publishing]
    if unreadable:
        # The inputs cannot even be read, so there is nothing the other checks could say.
        raise GateRefused(unreadable[0].sentence())
    yield from gate_check_results([check for check in checks if check.name in specified], _ASSET_KEYS)
