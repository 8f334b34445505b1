"""The marts gate as blocking asset checks on the published tables."""

from collections.abc import Iterator

import dagster as dg

from city_index.gates.suites import MARTS
from city_index.session import RebuildSession
from orchestration.checks import gate_check_results, gate_check_specs


def marts_gate_checks(mart_keys: dict[str, dg.AssetKey]) -> dg.AssetChecksDefinition:
    """The checks of the marts gate; a critical failure stops the published release."""

    @dg.multi_asset_check(
        name="marts_gate",
        specs=gate_check_specs(MARTS, mart_keys),
        description="Holds the build's marts against the marts gate.",
        pool="warehouse",
    )
    def marts_gate(session: dg.ResourceParam[RebuildSession]) -> Iterator[dg.AssetCheckResult]:
        yield from gate_check_results(session.check_marts(), mart_keys)

    return marts_gate
