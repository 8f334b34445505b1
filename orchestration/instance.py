"""The Dagster instance of one run that Dagster's services have no part in.

What belongs here: what such a run keeps in memory while it goes. What it leaves in the history is in ``history``.
"""

import dagster as dg
from dagster._core.events.log import EventLogEntry
from dagster._core.instance import InstanceType
from dagster._core.launcher.sync_in_memory_run_launcher import SyncInMemoryRunLauncher
from dagster._core.run_coordinator import DefaultRunCoordinator
from dagster._core.storage.event_log import InMemoryEventLogStorage
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._core.storage.root import TemporaryLocalArtifactStorage
from dagster._core.storage.runs import InMemoryRunStorage


class RunEvents(InMemoryEventLogStorage):
    """Keeps the events of the run itself, such as its start and its end, and lets those of its assets and checks go.

    Nobody asks for these once the run has ended, and storing hundreds of them in an SQLite database in memory takes
    longer than all else that Dagster does. The run's result holds them all the same: it is made of what the steps give.
    """

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event of the run; pass over any other."""
        if event.is_dagster_event and event.get_dagster_event().is_job_event:
            super().store_event(event)


def instance_of_one_run() -> dg.DagsterInstance:
    """An instance in memory, as ``DagsterInstance.ephemeral`` gives one, that keeps only the events of the run itself.

    The parts come from Dagster's own modules, whose version is pinned: there is no public way to name another storage
    for an instance in memory.
    """
    return dg.DagsterInstance(
        instance_type=InstanceType.EPHEMERAL,
        local_artifact_storage=TemporaryLocalArtifactStorage(),
        run_storage=InMemoryRunStorage(),
        event_storage=RunEvents(),
        compute_log_manager=NoOpComputeLogManager(),
        run_coordinator=DefaultRunCoordinator(),
        run_launcher=SyncInMemoryRunLauncher(),
    )
