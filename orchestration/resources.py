"""The rebuild session as a Dagster resource.

What belongs here: handing the steps of a run one session, and so one rebuild lock and one gate worker.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from city_index.session import RebuildSession, active_session, rebuild_session
from city_index.settings import Settings
from orchestration.launcher import note_process

# By this tag of a Dagster run its events are found in the log.
RUN_ID_TAG = "city_index/run_id"

# A run whose process was killed begins anew with its first step: the inputs, the build and the release belong to one
# session, which ended with the process. By default Dagster would go on with the step that was cut short.
RETRY_TAGS = {"dagster/retry_strategy": "ALL_STEPS"}


class RebuildSessionResource(dg.ConfigurableResource[RebuildSession]):
    """Opens a rebuild session for the length of a run, or joins the one that this process has open already."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[RebuildSession | None]:
        """Give the run its session. All steps of a run share it: runs execute in one process.

        `dagster job execute` makes the resources once more after the run has ended, to look at its results. That needs
        no session, and gets none.
        """
        session = active_session()
        if session is not None:
            yield session
            return
        if _has_ended(context):
            yield None
            return
        run_id = context.run.run_id[:8] if context.run else "without a run"
        with rebuild_session(Settings.from_environment(), f"Dagster run {run_id}") as opened:
            if context.run is not None and context.instance is not None:
                context.instance.add_run_tags(context.run.run_id, {RUN_ID_TAG: opened.observer.run_id, **RETRY_TAGS})
                note_process(context.instance, context.run)
            yield opened


def _has_ended(context: dg.InitResourceContext) -> bool:
    if context.run is None or context.instance is None:
        return False
    run = context.instance.get_run_by_id(context.run.run_id)
    return run is not None and run.is_finished
