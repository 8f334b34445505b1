"""The gates' claims as Dagster asset checks.

What belongs here: turning a claim into a check's specification and a result into a check's result.
"""

import dagster as dg

from city_index.checks import CRITICAL, FAILED, SKIPPED, WARNED, Check
from city_index.gates.registry import BATCHES


def gate_check_specs(gate: str, asset_keys: dict[str, dg.AssetKey]) -> list[dg.AssetCheckSpec]:
    """The specifications of a gate's checks.

    Args:
        gate: raw or marts.
        asset_keys: the Dagster asset for each asset that the gate's batches name.
    """
    return [
        dg.AssetCheckSpec(
            name=claim.name,
            asset=asset_keys[batch.asset],
            description=f"{batch.asset}: {claim.threshold} (Great Expectations, {claim.severity})",
            blocking=claim.severity == CRITICAL,
        )
        for batch in BATCHES[gate]
        for claim in batch.claims
    ]


def gate_check_results(checks: list[Check], asset_keys: dict[str, dg.AssetKey]) -> list[dg.AssetCheckResult]:
    """The results of a gate's checks."""
    return [
        dg.AssetCheckResult(
            check_name=check.name,
            asset_key=asset_keys[check.asset],
            passed=check.status not in (FAILED, WARNED),
            severity=dg.AssetCheckSeverity.ERROR if check.severity == CRITICAL else dg.AssetCheckSeverity.WARN,
            metadata={
                "status": check.status,
                "observed": check.observed,
                "threshold": check.threshold,
                **({"offenders": check.detail} if check.detail else {}),
            },
        )
        for check in checks
    ]


def not_asked(gate: str, asset_keys: dict[str, dg.AssetKey], checks: list[Check]) -> list[dg.AssetCheckResult]:
    """Results for the claims of a gate about which there was nothing to ask: no row could have broken them."""
    answered = {check.name for check in checks}
    return [
        dg.AssetCheckResult(
            check_name=claim.name,
            asset_key=asset_keys[batch.asset],
            passed=True,
            metadata={"status": SKIPPED, "observed": "nothing landed", "threshold": claim.threshold},
        )
        for batch in BATCHES[gate]
        for claim in batch.claims
        if claim.name not in answered
    ]
