"""The nightly job, its schedule and its failure hook."""

import dagster as dg

from city_index.errors import in_one_line
from city_index.notify import post_failure
from city_index.session import active_session
from city_index.settings import Settings
from orchestration.defs.landing.assets import RETRIED_OBSERVATIONS
from orchestration.history import prune_history

NIGHTLY_JOB = "nightly"
BACKFILL_JOB = "backfill_edition"


def _report(log, message: str) -> None:
    log.error(message)
    problem = post_failure(Settings.from_environment(), message)
    if problem:
        log.warning(problem)


@dg.failure_hook(name="report_failure")
def report_failure(context: dg.HookContext) -> None:
    """Log a failed step with what the gates found, and post it to the webhook where one is set."""
    session = active_session()
    error = context.op_exception
    found = session.failed_checks() if session is not None and session.has_build else []
    reason = "; ".join(found[:3]) or in_one_line(error)
    _report(context.log, f"City Index: step {context.op.name} of run {context.run_id} failed: {reason}")
    if session is not None:
        session.reported_failure = reason


@dg.run_failure_sensor(
    name="report_failed_start",
    description="Reports a run that failed before any of its steps did, such as one that found the rebuild lock taken.",
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def report_failed_start(context: dg.RunFailureSensorContext) -> None:
    """Log and post a failure that no step's hook has seen."""
    if not context.get_step_failure_events():
        _report(context.log, f"City Index: run {context.dagster_run.run_id} failed: {context.failure_event.message}")


@dg.run_status_sensor(
    name="prune_history",
    run_status=dg.DagsterRunStatus.SUCCESS,
    description="Lets old runs and events go from the history, once a run has succeeded and none is in progress.",
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def prune_old_history(context: dg.RunStatusSensorContext) -> None:
    """Prune the history after a run: the run itself cannot, because it is still in progress."""
    pruned = prune_history(Settings.from_environment(), context.instance)
    for name, number in pruned.removed.items():
        context.log.info(f"{name}: {number} removed, {pruned.freed_bytes:,} bytes freed")
    for problem in pruned.problems:
        context.log.warning(problem)


def nightly_job():
    """The whole graph as one job. A run whose process died is started once more; a refusal is not."""
    return dg.define_asset_job(
        name=NIGHTLY_JOB,
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(RETRIED_OBSERVATIONS),
        description="Land, check, build, audit and publish: the whole rebuild.",
        hooks={report_failure},
        executor_def=dg.in_process_executor,
        tags={"dagster/max_retries": "1", "dagster/retry_on_asset_or_op_failure": "false"},
    )


def backfill_job():
    """The whole graph once more for one edition, beginning with its quarantined observations."""
    return dg.define_asset_job(
        name=BACKFILL_JOB,
        selection=dg.AssetSelection.all(),
        description="Try the quarantined observations of one edition again, then rebuild and publish.",
        hooks={report_failure},
        executor_def=dg.in_process_executor,
    )


def nightly_schedule(settings: Settings, job) -> dg.ScheduleDefinition:
    """Every night at 02:00 in Shanghai; running from the start in production, stopped elsewhere."""
    running = settings.environment == "prod"
    return dg.ScheduleDefinition(
        name="nightly_schedule",
        job=job,
        cron_schedule="0 2 * * *",
        execution_timezone="Asia/Shanghai",
        default_status=dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED,
        description="Rebuilds and publishes every night. Starts by itself only where CITY_INDEX_ENV is prod.",
    )
