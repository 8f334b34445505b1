"""A rebuild from beginning to end, as steps that an orchestrator calls one by one.

What belongs here: what each step does and when it refuses. What does not: the order and retries of the steps, which
are Dagster's, and the formulas, which are dbt's.

The steps: land, collect_inputs, check_raw, (dbt builds), check_marts, assemble, publish; between the last two come the
parts that are made from the assembled tables. Assembling trusts nobody: it reads the results of all gates from the
build's folder and refuses unless they are there, belong to the very file it would publish, and none of them failed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import duckdb

from city_index.builds import (
    Build,
    is_audited,
    keep_passed_unit_tests,
    latest_build,
    mark_audited,
    mark_sound,
    passed_unit_tests,
    primary_keys,
    start_build,
)
from city_index.checks import (
    Check,
    DbtResults,
    count_by_status,
    read_checks,
    read_dbt_results,
    write_checks,
)
from city_index.database import open_database
from city_index.dbt_client import DbtClient
from city_index.durability import sync_folder
from city_index.errors import CityIndexError, GateRefused, NothingPublishable, in_one_line
from city_index.gates.client import GateClient
from city_index.gates.suites import INPUT_IS_THERE
from city_index.hashing import code_version, input_files, input_hash
from city_index.landing.landing import Landing, LandingOutcome
from city_index.landing.ledger import Ledger
from city_index.landing.raw_store import RawStore
from city_index.last_run import write_last_run
from city_index.leftovers import remove_leftovers
from city_index.lock import rebuild_lock
from city_index.observability.metrics import write_metrics
from city_index.observability.observer import ObservedGates, RunObserver
from city_index.permissions import make_home, make_published_folders, state_umask
from city_index.progress import Reporter, SilentReporter
from city_index.releases import store
from city_index.releases.assemble import (
    DATABASE_NAME,
    STORAGE_VERSION,
    add_release_tables,
    assemble_tables,
    verify_database,
)
from city_index.releases.exporter import Exporter
from city_index.releases.exports import EXPORT_NAMES, LICENCE_NAME
from city_index.releases.manifest import Manifest, list_files, write_manifest
from city_index.retention import prune_home
from city_index.settings import Settings
from city_index.temporary import temporary_files_in

PUBLISHED = "published"
UNCHANGED = "unchanged"
RESTORED = "restored"
FAILED_RUN = "failed"
STOPPED_RUN = "stopped"

# Where the report site stands in a release.
REPORT_FOLDER = "report"


@dataclass(frozen=True)
class Outcome:
    """How a rebuild ended.

    Attributes:
        kind: published (a new release), unchanged (the newest release already holds this content), or restored (it
            does, and its published copy was damaged or missing and has been put back).
        manifest: the release that is published now.
        checks: all results of this rebuild.
    """

    kind: str
    manifest: Manifest
    checks: list[Check]


@dataclass(frozen=True)
class Candidate:
    """A release that is being assembled.

    Attributes:
        folder: where it is assembled; it is renamed into place when it is whole.
        manifest: what it is made of; its files are listed last.
        checks: the results of all checks of its build.
    """

    folder: Path
    manifest: Manifest
    checks: list[Check]

    @property
    def database(self) -> Path:
        """The database of the release."""
        return self.folder / DATABASE_NAME


@dataclass
class RebuildSession:
    """One rebuild under the rebuild lock. Make one with ``rebuild_session``.

    Attributes:
        outcome: how the rebuild ended, once it has published.
        accepts_removals: whether a person said that cities, editions or landed files may go this time.
        completed: how a publication that an earlier run left cut short was completed at the beginning; None where there
            was none.
        reported_failure: the failure that people were told of already; None where there was none.
        landings: what this rebuild landed.
        observer: hears what happens, for the log and the metrics.
    """

    settings: Settings
    gates: GateClient
    dbt: DbtClient
    exporter: Exporter
    observer: RunObserver
    outcome: Outcome | None = None
    accepts_removals: bool = False
    completed: str | None = None
    reported_failure: str | None = None
    landings: list[LandingOutcome] = field(default_factory=list)
    _build: Build | None = None
    _started: Build | None = None
    _candidate: Candidate | None = None
    _is_unchanged: bool = False

    @property
    def build(self) -> Build:
        """The build this session works on: its own, or else the one that stands in the warehouse.

        Raises:
            GateRefused: there is none.
        """
        if self._build is None:
            self._build = latest_build(self.settings)
        if self._build is None:
            raise GateRefused("there is no build in the warehouse; materialise raw_inputs first, or run the whole job")
        return self._build

    @property
    def reporter(self) -> Reporter:
        """Where progress goes."""
        return self.observer.reporter

    @property
    def has_build(self) -> bool:
        """Whether this session has begun a build."""
        return self._started is not None

    def land(self) -> LandingOutcome:
        """Land what lies in the landing folder.

        Raises:
            GateRefused: what was to be landed breaks its contract; nothing was landed.
        """
        return self._landed(self._landing().land())

    def retry_edition(self, index_code: str, edition: str) -> LandingOutcome:
        """Try the quarantined observations of one edition again, with today's cities and frameworks.

        Raises:
            GateRefused: see ``land``.
        """
        return self._landed(self._landing().retry(index_code, edition))

    def _landing(self) -> Landing:
        self._demand_published_batches()
        return Landing(self.settings, self.reporter, self.gates.check_landed, self.accepts_removals)

    def _landed(self, outcome: LandingOutcome) -> LandingOutcome:
        self.landings.append(outcome)
        self.observer.landed(outcome)
        return outcome

    def collect_inputs(self) -> dict[str, int]:
        """Hold what was landed against its checksums and begin a new build; gives the bytes of each input file.

        Raises:
            GateRefused: a landed file is changed, missing or unknown.
        """
        self.reporter.stage("inputs")
        self._demand_published_batches()
        RawStore(self.settings).recover(self.accepts_removals)
        files = input_files(self.settings)
        self._build = self._started = start_build(self.settings)
        sizes = {path.name: path.stat().st_size for path in files}
        self.reporter.finish(f"{len(sizes)} files, {sum(sizes.values()):,} bytes")
        return sizes

    def _demand_published_batches(self) -> None:
        """Where no checksums say what was landed, hold it against the published release.

        Raises:
            GateRefused: a batch that is published is not in raw/.
        """
        if self.accepts_removals or Ledger(self.settings).exists:
            return
        landed = {record.batch_id for record in RawStore(self.settings).records()}
        missing = sorted(store.published_batches(self.settings) - landed)
        if missing:
            raise GateRefused(
                f"{len(missing)} published batches, such as {missing[0]}, are not in {self.settings.raw}, and "
                f"{self.settings.landed_files} is missing; restore both and {self.settings.quarantine} from the "
                "backup, or let those rows go with `city-index run --accept-removals`"
            )

    def check_raw(self) -> list[Check]:
        """Run the raw gate; gives and stores its results and those of the batches that this rebuild landed.

        Raises:
            NothingPublishable: the inputs hold no observation.
        """
        self.reporter.stage("raw gate")
        checks = self.gates.check_raw(self.settings.seeds)
        # A claim that was checked in two landings of this rebuild stands once: a failed one would have ended it.
        checks += {check.name: check for landing in self.landings for check in landing.checks}.values()
        write_checks(self.build.raw_checks, checks)
        self.reporter.finish(_counted(checks))
        if any(check.name == INPUT_IS_THERE and check.stops_publishing for check in checks):
            raise NothingPublishable("the inputs hold no observation; there is nothing to publish")
        return checks

    def check_marts(self) -> list[Check]:
        """Run the marts gate on the build; gives and stores its results."""
        self.reporter.stage("marts gate")
        mark_audited(self.build)
        checks = self.gates.check_marts(
            self.build.database, store.last_release_database(self.settings), self.accepts_removals
        )
        write_checks(self.build.marts_checks, checks)
        self.reporter.finish(_counted(checks))
        return checks

    def _dbt_results(self) -> DbtResults | None:
        """What dbt left behind; None where it ended before it wrote its results, or did not begin."""
        try:
            kept = passed_unit_tests(self.settings, self.build.code_version)
            return read_dbt_results(self.build.dbt_target, self.build.database, self.settings.landed_paths, kept)
        except FileNotFoundError:
            return None

    def _checks(self, dbt_results: DbtResults | None) -> list[Check]:
        """The results of all checks of this build so far."""
        found: list[Check] = []
        for path in (self.build.raw_checks, self.build.marts_checks):
            if path.is_file():
                found += read_checks(path)
        return found + (dbt_results.checks if dbt_results is not None else [])

    def report_dbt_results(self) -> None:
        """Tell the observer what dbt's tests found; nothing where dbt ended before it wrote its results."""
        dbt_results = self._dbt_results()
        if dbt_results is not None:
            self.observer.checked("dbt", dbt_results.checks)

    def keep_unit_tests(self) -> None:
        """Note that the code has passed its unit tests, so that the next build of the same code need not ask again."""
        dbt_results = self._dbt_results()
        if dbt_results is not None and not dbt_results.left_out:
            keep_passed_unit_tests(self.settings, self.build.code_version, dbt_results.unit_tests)

    def failed_checks(self) -> list[str]:
        """The critical checks that this build has failed so far, one sentence each."""
        return _failed(self._checks(self._dbt_results()))

    def dbt_errors(self) -> list[str]:
        """The nodes that dbt could not run, one sentence each; and, where dbt ended early, that it did."""
        return _errors(self._dbt_results())

    def refusals(self) -> list[str]:
        """Why the build may not be published, one sentence each; empty where it may be."""
        dbt_results = self._dbt_results()
        return self._refusals(self._checks(dbt_results), dbt_results)

    def _refusals(self, checks: list[Check], dbt_results: DbtResults | None) -> list[str]:
        failed = _failed(checks)
        if failed:
            return failed
        build = self.build
        if self._started is not build:
            return ["this run did not collect the inputs of the build; run the whole job"]
        if not build.raw_checks.is_file():
            return ["the raw gate has not run on this build; run the whole job"]
        errors = _errors(dbt_results)
        if errors:
            return errors
        if dbt_results.left_out:
            return dbt_results.left_out
        if not build.marts_checks.is_file():
            return ["the marts gate has not run on this build; run the whole job"]
        if not is_audited(build):
            return ["the build changed after the marts gate saw it; run the whole job"]
        if (input_hash(self.settings), code_version(self.settings)) != (build.input_hash, build.code_version):
            return ["inputs or code changed while they were being built; run again"]
        return []

    def _sound_checks(self) -> list[Check]:
        """The results of all checks of a build that may be published.

        Raises:
            GateRefused: it may not be.
        """
        dbt_results = self._dbt_results()
        checks = self._checks(dbt_results)
        refusals = self._refusals(checks, dbt_results)
        if refusals:
            raise GateRefused(refusals[0])
        return checks

    def assemble(self) -> Candidate | None:
        """Assemble the tables of a release from the audited build; None where the newest one holds the same content.

        Raises:
            GateRefused: a gate refused, did not run, or saw another build.
            NothingPublishable: no city has a score.
            CityIndexError: the release could not be assembled or verified.
        """
        checks = self._sound_checks()
        self.reporter.stage("assemble")
        if not _has_scores(self.build):
            raise NothingPublishable("no city of any edition has a total score; there is nothing to publish")
        releases = store.kept_releases(self.settings)
        newest = releases[0] if releases else None
        current = store.current_release(self.settings)
        sequence = 1 + max((m.sequence for m in (newest, current) if m is not None), default=0)
        candidate = self._assemble(sequence, checks)
        self._is_unchanged = (
            newest is not None
            and newest.is_same_content(candidate.manifest)
            and not store.release_faults(self.settings, newest)
        )
        if self._is_unchanged:
            shutil.rmtree(candidate.folder)
            self.reporter.finish(f"the same content as release {newest.release_id}")
            return None
        manifest = candidate.manifest
        manifest.tables.update(add_release_tables(candidate.folder, manifest, candidate.checks))
        verify_database(candidate.folder, manifest.release_id, manifest.tables)
        self._candidate = candidate
        self.exporter.start(candidate.folder, manifest)
        self.reporter.finish(f"{len(manifest.tables)} tables")
        return candidate

    def write_report(self) -> int:
        """Write the report site of the assembled release; gives its pages, none where there is nothing new.

        Raises:
            GateRefused: this run assembled no release.
        """
        if self._has_nothing_new():
            return 0
        # Drawing and comparing are imported where they are needed: it takes longer than most steps.
        from city_index.comparison.sides import sides_of_candidate
        from city_index.dbt_docs import write_dbt_docs
        from city_index.report.site import DBT_DOCS, write_report

        self.reporter.stage("report")
        candidate, folder = self._candidate, self._candidate.folder / REPORT_FOLDER
        sides = sides_of_candidate(self.settings, candidate.database, candidate.manifest)
        pages = write_report(self.settings, candidate.database, sides, folder)
        write_dbt_docs(self.settings, self.build, folder / DBT_DOCS)
        self.reporter.finish(f"{pages} pages")
        return pages

    def write_exports(self) -> list[str]:
        """See that workbook, data package, citation and rights of the assembled release are written, which was begun
        when it was assembled; gives the names of the files.

        Raises:
            GateRefused: this run assembled no release.
            CityIndexError: they could not be written.
        """
        if self._has_nothing_new():
            return []
        self.reporter.stage("exports")
        if not self.exporter.is_running:  # it failed, and is tried again
            self.exporter.start(self._candidate.folder, self._candidate.manifest)
        self.exporter.wait()
        self.reporter.finish(f"{len(EXPORT_NAMES)} files")
        return list(EXPORT_NAMES)

    def _has_nothing_new(self) -> bool:
        """Whether the newest release already holds what was assembled.

        Raises:
            GateRefused: this run assembled no release.
        """
        if self._candidate is None and not self._is_unchanged:
            raise GateRefused("this run did not assemble the release; run the whole job")
        return self._is_unchanged

    def publish(self) -> Outcome:
        """Keep and activate the assembled release, or see that the newest one is what readers have.

        Raises:
            GateRefused: this run assembled none, or it may no longer be published.
            CityIndexError: the release could not be kept. Readers still see the release from before.
        """
        checks = self._sound_checks()
        is_unchanged, candidate = self._has_nothing_new(), self._candidate
        if not is_unchanged:
            self._demand_parts(candidate)
        self.reporter.stage("publish")
        if is_unchanged:
            kind = self._leave_unchanged(store.current_release(self.settings))
        else:
            self._finish(candidate)
            store.keep(self.settings, candidate.folder, candidate.manifest.release_id)
            store.activate(self.settings, candidate.manifest)
            kind = PUBLISHED
        store.prune(self.settings)
        manifest = store.current_release(self.settings)
        self.outcome = Outcome(kind=kind, manifest=manifest, checks=checks)
        # What was completed at the beginning has been told then.
        self.observer.published(UNCHANGED if is_unchanged and kind == self.completed else kind, manifest)
        with suppress(OSError):  # then the next night computes all
            mark_sound(self.build)
        self.reporter.finish(f"{kind}: release {manifest.release_id}")
        return self.outcome

    def _demand_parts(self, candidate: Candidate) -> None:
        """Fail where what is made from the assembled tables has not been made; the last file of each part tells."""
        from city_index.report.site import DBT_DOCS

        for part, name in (("report", f"{REPORT_FOLDER}/{DBT_DOCS}"), ("exports", LICENCE_NAME)):
            if not (candidate.folder / name).is_file():
                raise GateRefused(f"this run did not write the {part} of the release; run the whole job")
        if self.exporter.is_running:  # nobody has waited for what it writes
            raise GateRefused("this run did not wait for the exports of the release; run the whole job")

    def _leave_unchanged(self, current: Manifest | None) -> str:
        """See that the wanted release is the published one; says what that took."""
        published = store.publish_wanted(self.settings)
        if published is None:
            return self.completed or UNCHANGED
        return _kind(current, published)

    def _assemble(self, sequence: int, checks: list[Check]) -> Candidate:
        build = self.build
        staging = store.staging_folder(self.settings, build.build_id)
        keys = primary_keys(build.dbt_target / "manifest.json")
        content_hash, rows = assemble_tables(build.database, staging, self.settings.build_memory_bytes, keys)
        release_id = f"{build.build_id.split('-')[0]}-{content_hash[:8]}"
        if (self.settings.releases / release_id).exists():
            # The clock stood still or went back: the sequence keeps the name apart.
            release_id = f"{release_id}-{sequence}"
        manifest = Manifest(
            release_id=release_id,
            sequence=sequence,
            built_at_utc=f"{build.started_at_utc}Z",
            code_version=build.code_version,
            input_hash=build.input_hash,
            content_hash=content_hash,
            duckdb_version=duckdb.__version__,
            storage_version=STORAGE_VERSION,
            notice=_notice(staging / DATABASE_NAME),
            checks=count_by_status(checks),
            tables=rows,
        )
        return Candidate(folder=staging, manifest=manifest, checks=checks)

    def _finish(self, candidate: Candidate) -> None:
        """Complete a candidate: data docs and checksums; all durable."""
        manifest, folder = candidate.manifest, candidate.folder
        self.gates.write_data_docs(folder / "data_docs")
        manifest.files.update(list_files(folder))
        sync_folder(folder)
        write_manifest(folder, manifest)


def _kind(before: Manifest | None, published: Manifest) -> str:
    """What publishing a kept release was to readers."""
    return RESTORED if before is None or before.release_id == published.release_id else PUBLISHED


def complete_publication(settings: Settings, observer: RunObserver) -> str | None:
    """Complete a publication that was cut short, whatever becomes of the run; gives its kind, or None.

    What stands in its way, such as a damaged kept release, is said where a release is published next.
    """
    before = store.current_release(settings)
    try:
        manifest = store.complete_activation(settings)
    except (CityIndexError, OSError):
        return None
    if manifest is None:
        return None
    kind = _kind(before, manifest)
    observer.published(kind, manifest)
    return kind


def _counted(checks: list[Check]) -> str:
    counts = count_by_status(checks)
    return ", ".join(f"{number} {status}" for status, number in counts.items() if number)


def _failed(checks: list[Check]) -> list[str]:
    return [check.sentence() for check in checks if check.stops_publishing]


def _errors(dbt_results: DbtResults | None) -> list[str]:
    return ["dbt ended before it wrote its results"] if dbt_results is None else dbt_results.errors


def _has_scores(build: Build) -> bool:
    with open_database(build.database) as connection:
        (scored,) = connection.execute(
            "select count(total_score) from fct_city_scores where not is_synthetic"
        ).fetchone()
    # A demonstration alone is no release.
    return bool(scored)


def _notice(database: Path) -> str:
    """What must be said beside the scores: the notices of all editions, once each."""
    with open_database(database) as connection:
        rows = connection.execute(
            "select distinct notice_zh, notice_en from rpt_city_index where notice_en is not null order by all"
        ).fetchall()
    return " ".join(f"{zh} {en}" for zh, en in rows)


_active: RebuildSession | None = None
_active_guard = Lock()


def active_session() -> RebuildSession | None:
    """The session that this process has open; None where it has none."""
    return _active


@contextmanager
def rebuild_session(settings: Settings, what: str, reporter: Reporter | None = None) -> Iterator[RebuildSession]:
    """Open a rebuild session: take the rebuild lock, clear up after a killed run, start the gate worker.

    Args:
        settings: the settings.
        what: the name under which the lock's holder is shown.
        reporter: where progress goes; nowhere by default.

    Raises:
        NothingPublishable: there is no input at all.
        RebuildRunning: another process, or another session of this one, is rebuilding.
    """
    make_home(settings.home)
    with state_umask(), rebuild_lock(settings.lock_file, what):
        observer = RunObserver(settings, what, reporter or SilentReporter())
        observer.started()
        session = failure = None
        try:
            with _open_session(settings, observer) as session:
                yield session
        except BaseException as error:
            failure = in_one_line(error)
            raise
        finally:
            _record_end(settings, what, observer, session, failure)


@contextmanager
def _open_session(settings: Settings, observer: RunObserver) -> Iterator[RebuildSession]:
    """Clear up after a killed run, start the gate worker, and be the session of this process.

    Raises:
        NothingPublishable: there is no input at all.
    """
    global _active
    if not input_files(settings):
        raise NothingPublishable(f"there is no input file in {settings.seeds}; restore the seeds")
    make_published_folders(settings, settings.published)
    for path in (settings.warehouse, settings.releases):
        path.mkdir(parents=True, exist_ok=True)
    remove_leftovers(settings)
    completed = complete_publication(settings, observer)
    with (
        temporary_files_in(settings.temporary),
        ObservedGates(settings, observer) as gates,
        DbtClient(settings) as dbt,
        Exporter(settings) as exporter,
    ):
        session = RebuildSession(
            settings=settings, gates=gates, dbt=dbt, exporter=exporter, observer=observer, completed=completed
        )
        with _active_guard:
            _active = session
        try:
            yield session
        finally:
            with _active_guard:
                _active = None


def _record_end(
    settings: Settings, what: str, observer: RunObserver, session: RebuildSession | None, failure: str | None
) -> None:
    """Record how a rebuild ended, for status, doctor, logs and metrics; a rebuild of single steps has no outcome."""
    reason = failure or (session.reported_failure if session is not None else None)
    outcome = session.outcome if session is not None and reason is None else None
    kind = FAILED_RUN if reason is not None else outcome.kind if outcome is not None else STOPPED_RUN
    if outcome is not None:
        pruned = prune_home(settings)
        observer.pruned(pruned.removed, pruned.freed_bytes, pruned.problems)
    measures = observer.finished(kind, reason, outcome.checks if outcome is not None else None)
    if kind == STOPPED_RUN:
        return
    # What cannot be recorded must not take the place of what the rebuild failed for.
    with suppress(OSError) if reason is not None else nullcontext():
        write_last_run(settings, what, kind, reason, observer.run_id, measures)
    write_metrics(settings)
