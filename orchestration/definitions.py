"""The code location: assembles what the topic folders define, and nothing more."""

import dagster as dg

from city_index.settings import Settings
from orchestration.defs.inputs.assets import raw_inputs
from orchestration.defs.landing.assets import landing, retried_observations
from orchestration.defs.landing.sensor import landing_sensor
from orchestration.defs.nightly.jobs import (
    backfill_job,
    nightly_job,
    nightly_schedule,
    prune_old_history,
    report_failed_start,
)
from orchestration.defs.releases.assets import release_assets
from orchestration.defs.warehouse.assets import dbt_build_assets
from orchestration.defs.warehouse.checks import marts_gate_checks
from orchestration.loopback import own_processes, refuse_remote_servers
from orchestration.resources import RebuildSessionResource


def build_definitions(settings: Settings) -> dg.Definitions:
    """All definitions for the given settings."""
    dbt_build, mart_keys = dbt_build_assets(settings)
    nightly = nightly_job()
    return dg.Definitions(
        assets=[retried_observations, landing, raw_inputs, dbt_build, *release_assets(mart_keys)],
        asset_checks=[marts_gate_checks(mart_keys)],
        jobs=[nightly, backfill_job()],
        schedules=[nightly_schedule(settings, nightly)],
        sensors=[landing_sensor(nightly), report_failed_start, prune_old_history],
        resources={"session": RebuildSessionResource()},
        # The steps of a run share one session, and one dbt: they execute in one process.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads."""
    settings = Settings.from_environment()
    refuse_remote_servers(settings, own_processes())
    return build_definitions(settings)
