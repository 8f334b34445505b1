"""The metrics of a home in Prometheus' text exposition format, for node_exporter's textfile collector.

What belongs here: the list of metrics, what each is read from, and the format. All of them are read from what stands
in the home (the record of the last run, manifests, landed batches), so they can be written at the end of any run and
printed at any time; nothing is counted here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from city_index.checks import FAILED, PASSED, SKIPPED, WARNED
from city_index.contracts import KINDS
from city_index.durability import write_in_one_step
from city_index.errors import CityIndexError
from city_index.landing.door import look
from city_index.landing.raw_store import BatchRecord, RawStore
from city_index.last_run import LastRun, read_last_run
from city_index.permissions import PUBLISHED_FILE_MODE
from city_index.releases import store
from city_index.releases.manifest import Manifest
from city_index.settings import Settings

GAUGE, COUNTER = "gauge", "counter"

PREFIX = "city_index_"

# The outcomes of runs that are counted.
OUTCOMES = ("published", "unchanged", "restored", "failed")


@dataclass(frozen=True)
class Sample:
    """One value of a metric."""

    value: float
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class State:
    """What the metrics are read from.

    Attributes:
        settings: the settings.
        last_run: how the last run ended; None where none is recorded.
        current: the published release; None where there is none.
        kept: the kept releases.
        batches: the landed batches; None where they cannot be read.
        now: when they are read, in seconds since 1970.
    """

    settings: Settings
    last_run: LastRun | None
    current: Manifest | None
    kept: list[Manifest]
    batches: list[BatchRecord] | None
    now: float


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        name: without the prefix.
        kind: gauge or counter.
        says: what it is; its HELP line.
        read: its samples; none where nothing is known.
        labels: the names of its labels.
        is_printed_only: whether it is left out of the file, because it would be old at once.
    """

    name: str
    kind: str
    says: str
    read: Callable[[State], Iterable[Sample]]
    labels: tuple[str, ...] = ()
    is_printed_only: bool = False

    @property
    def full_name(self) -> str:
        """Its name as Prometheus knows it."""
        return PREFIX + self.name


def read_state(settings: Settings) -> State:
    """What stands in a home now. Nothing in it is changed."""
    try:
        batches = RawStore(settings).records()
    except CityIndexError:
        batches = None
    return State(
        settings=settings,
        last_run=read_last_run(settings),
        current=store.current_release(settings),
        kept=store.kept_releases(settings),
        batches=batches,
        now=datetime.now(UTC).timestamp(),
    )


def _seconds(moment_utc: str) -> float:
    moment = datetime.fromisoformat(moment_utc)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _last_success(state: State) -> Iterable[Sample]:
    if state.last_run is not None and state.last_run.succeeded_at_utc is not None:
        yield Sample(_seconds(state.last_run.succeeded_at_utc))


def _last_end(state: State) -> Iterable[Sample]:
    if state.last_run is not None:
        yield Sample(_seconds(state.last_run.ended_at_utc))


def _last_run_success(state: State) -> Iterable[Sample]:
    if state.last_run is not None:
        yield Sample(float(state.last_run.outcome != "failed"))


def _runs(state: State) -> Iterable[Sample]:
    if state.last_run is not None:
        for outcome in OUTCOMES:
            yield Sample(state.last_run.run_counts.get(outcome, 0), (("outcome", outcome),))


def _duration(state: State) -> Iterable[Sample]:
    if state.last_run is not None and state.last_run.measures is not None:
        yield Sample(state.last_run.measures.seconds)


def _stage_durations(state: State) -> Iterable[Sample]:
    if state.last_run is not None and state.last_run.measures is not None:
        for stage, seconds in state.last_run.measures.stage_seconds.items():
            yield Sample(seconds, (("stage", stage),))


def _memory(state: State) -> Iterable[Sample]:
    if state.last_run is not None and state.last_run.measures is not None:
        for process, size in state.last_run.measures.peak_memory_bytes.items():
            yield Sample(size, (("process", process),))


def _checks(state: State) -> Iterable[Sample]:
    if state.last_run is not None and state.last_run.measures is not None:
        for status in (PASSED, WARNED, FAILED, SKIPPED):
            yield Sample(state.last_run.measures.checks.get(status, 0), (("status", status),))


def _last_rows(name: str) -> Callable[[State], Iterable[Sample]]:
    def read(state: State) -> Iterable[Sample]:
        if state.last_run is not None and state.last_run.measures is not None:
            for kind in KINDS:
                yield Sample(state.last_run.measures.rows.get(kind, {}).get(name, 0), (("kind", kind),))

    return read


def _all_rows(name: str) -> Callable[[State], Iterable[Sample]]:
    def read(state: State) -> Iterable[Sample]:
        if state.batches is not None:
            for kind in KINDS:
                total = sum(getattr(record, f"{name}_count") for record in state.batches if record.kind == kind)
                yield Sample(total, (("kind", kind),))

    return read


def _batches(state: State) -> Iterable[Sample]:
    if state.batches is not None:
        for kind in KINDS:
            yield Sample(sum(record.kind == kind for record in state.batches), (("kind", kind),))


def _store_readable(state: State) -> Iterable[Sample]:
    yield Sample(float(state.batches is not None))


def _waiting_files(state: State) -> Iterable[Sample]:
    arrivals, refused = look(state.settings)
    yield Sample(len(arrivals) + len(refused))


def _release_info(state: State) -> Iterable[Sample]:
    if state.current is not None:
        yield Sample(1, (("release_id", state.current.release_id), ("code_version", state.current.code_version)))


def _release_built(state: State) -> Iterable[Sample]:
    if state.current is not None:
        yield Sample(_seconds(state.current.built_at_utc))


def _release_age(state: State) -> Iterable[Sample]:
    if state.current is not None:
        yield Sample(round(state.now - _seconds(state.current.built_at_utc), 3))


def _published_bytes(state: State) -> Iterable[Sample]:
    yield Sample(state.current.file_bytes if state.current is not None else 0)


def _kept_releases(state: State) -> Iterable[Sample]:
    yield Sample(len(state.kept))


def _kept_bytes(state: State) -> Iterable[Sample]:
    yield Sample(sum(manifest.file_bytes for manifest in state.kept))


def _disk_free(state: State) -> Iterable[Sample]:
    with suppress(OSError):
        yield Sample(shutil.disk_usage(state.settings.home).free)


METRICS = (
    Metric("last_success_timestamp_seconds", GAUGE, "When a run last succeeded.", _last_success),
    Metric("last_run_timestamp_seconds", GAUGE, "When a run last ended, however it ended.", _last_end),
    Metric("last_run_success", GAUGE, "Whether the last run succeeded: 1 yes, 0 no.", _last_run_success),
    Metric("runs_total", COUNTER, "Runs of this home that ended in each outcome.", _runs, ("outcome",)),
    Metric("run_duration_seconds", GAUGE, "How long the last run took.", _duration),
    Metric(
        "stage_duration_seconds",
        GAUGE,
        "How long each stage of the last run took; the landing of all files is one stage, and that of the exports is "
        "what was still to be waited for.",
        _stage_durations,
        ("stage",),
    ),
    Metric(
        "run_peak_memory_bytes",
        GAUGE,
        "The most memory of the last run at once: of the process itself (run), of its largest helper, such as dbt "
        "(helper).",
        _memory,
        ("process",),
    ),
    Metric("checks", GAUGE, "Checks of the last run that ended in each status.", _checks, ("status",)),
    Metric(
        "last_run_rows_received",
        GAUGE,
        "Rows of the batches of the last run.",
        _last_rows("received"),
        ("kind",),
    ),
    Metric("last_run_rows_accepted", GAUGE, "Of these, rows accepted.", _last_rows("accepted"), ("kind",)),
    Metric("last_run_rows_quarantined", GAUGE, "Of these, rows refused.", _last_rows("quarantined"), ("kind",)),
    Metric(
        "rows_received_total",
        COUNTER,
        "Rows of all batches that ever landed; rows accepted on a later try count once more.",
        _all_rows("received"),
        ("kind",),
    ),
    Metric("rows_accepted_total", COUNTER, "Of these, rows accepted.", _all_rows("accepted"), ("kind",)),
    Metric("rows_quarantined_total", COUNTER, "Of these, rows refused.", _all_rows("quarantined"), ("kind",)),
    Metric("batches_total", COUNTER, "Batches that ever landed.", _batches, ("kind",)),
    Metric("landed_rows_readable", GAUGE, "Whether the landed batches can be read: 1 yes, 0 no.", _store_readable),
    Metric(
        "landing_files",
        GAUGE,
        "Files in the landing folder: refused ones, and ones that came after the run.",
        _waiting_files,
    ),
    Metric(
        "release_info",
        GAUGE,
        "The published release; always 1.",
        _release_info,
        ("release_id", "code_version"),
    ),
    Metric("release_built_timestamp_seconds", GAUGE, "When the build of the published release began.", _release_built),
    Metric(
        "release_age_seconds",
        GAUGE,
        "How long ago that was. Only printed: in the file it would be old at once.",
        _release_age,
        is_printed_only=True,
    ),
    Metric("published_bytes", GAUGE, "Bytes of the published files.", _published_bytes),
    Metric("kept_releases", GAUGE, "Releases kept on disk.", _kept_releases),
    Metric("kept_releases_bytes", GAUGE, "Bytes of their files.", _kept_bytes),
    Metric("disk_free_bytes", GAUGE, "Bytes free on the disk of the home.", _disk_free),
)


def _escaped_label(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _escaped_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def exposition(state: State, is_printed: bool = False) -> str:
    """The metrics in the text format: what goes into the file, or, where it is printed, all of them."""
    lines = []
    for metric in METRICS:
        if metric.is_printed_only and not is_printed:
            continue
        lines.append(f"# HELP {metric.full_name} {_escaped_help(metric.says)}")
        lines.append(f"# TYPE {metric.full_name} {metric.kind}")
        for sample in metric.read(state):
            labels = ",".join(f'{name}="{_escaped_label(value)}"' for name, value in sample.labels)
            lines.append(f"{metric.full_name}{f'{{{labels}}}' if labels else ''} {_number(sample.value)}")
    return "\n".join(lines) + "\n"


def write_metrics(settings: Settings) -> None:
    """Write the metrics of a home into its file, in one step. Needs the rebuild lock.

    Metrics that cannot be written fail nothing: the file keeps the time of the last run that could.
    """
    with suppress(OSError):
        # node_exporter reads every file whose name ends in .prom, which that of a half-written one does not.
        text = exposition(read_state(settings)).encode("utf-8", "replace").decode("utf-8")
        # Who collects metrics is another user.
        write_in_one_step(settings.metrics_file, text, PUBLISHED_FILE_MODE)


def markdown_table() -> str:
    """All metrics as Markdown, for the documentation."""
    lines = ["| Metric | Type | Labels | Says |", "|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.full_name}` | {metric.kind} | {labels} | {metric.says} |")
    return "\n".join(lines)
