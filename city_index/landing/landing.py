"""Landing: from the files in the landing folder to committed batches.

What belongs here: the order of things. Every file is staged, judged and written before any is committed; Great
Expectations looks at what was written; then each batch is committed by one rename. A landing that is killed has
committed whole batches or none, and the next one goes on where it ended.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from city_index.checks import Check
from city_index.contracts import KINDS, Contract, contracts
from city_index.database import connect, identifier, in_bounded_memory, parquet_rows, quoted
from city_index.errors import CityIndexError, GateRefused, in_one_line
from city_index.landing import door
from city_index.landing.attempts import Attempts
from city_index.landing.csv_files import UnreadableFile
from city_index.landing.door import Arrival, RefusedFile
from city_index.landing.frameworks import judge_frameworks
from city_index.landing.judgement import REASONS_OUTSIDE_THE_ROW, define_macros, judge, row_key, typed_columns
from city_index.landing.known import add_prepared, load_known, load_used_editions
from city_index.landing.raw_store import BatchRecord, PreparedBatch, RawStore, write_batch
from city_index.landing.staging import NO_MALFORMED, Staged, stage
from city_index.progress import Reporter
from city_index.settings import Settings

# How many quarantined rows of a batch are shown with it.
_SAMPLE_ROWS = 5

# How much of its first fault a batch says in its one line.
_SHOWN_DETAIL = 600

# How much of what a library said a message repeats.
_SAID = 300

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class LandedBatch:
    """A batch of this landing.

    Attributes:
        record: what is known of it.
        reasons: how many rows were quarantined for each reason; most first.
        sample: some quarantined rows as (row number, reason, detail).
    """

    record: BatchRecord
    reasons: dict[str, int]
    sample: list[tuple[int, str, str]]

    def sentence(self) -> str:
        """The batch as one line for people."""
        record = self.record
        name = f"{record.kind}/{record.file_name}"
        if record.retry_of is not None:
            return (
                f"{name}: {record.accepted_count:,} rows that batch {record.retry_of} had quarantined are accepted now"
            )
        counts = f"{record.accepted_count:,} of {record.received_count:,} rows accepted"
        if not record.quarantined_count:
            return f"{name}: {counts}"
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in self.reasons.items())
        row_number, _reason, detail = self.sample[0]
        return (
            f"{name}: {counts}, {record.quarantined_count:,} quarantined ({reasons}); "
            f"row {row_number}: {detail if len(detail) <= _SHOWN_DETAIL else detail[:_SHOWN_DETAIL] + ' ...'}"
        )


@dataclass
class LandingOutcome:
    """What a landing did.

    Attributes:
        batches: the batches it committed, in order.
        refused: the files it did not take; they stay in the landing folder.
        repeated: files whose bytes had landed before, each with the batch they landed in.
        kept: files that were landed and could not be moved out of the landing folder, with the reason.
        checks: the claims about the batches.
        merged: how many small files of raw/ were merged, by kind.
        notes: what else a person should know.
    """

    batches: list[LandedBatch] = field(default_factory=list)
    refused: list[RefusedFile] = field(default_factory=list)
    repeated: list[tuple[str, str]] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    merged: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """The outcome as lines for people; none where nothing lay in the landing folder."""
        return [
            *(batch.sentence() for batch in self.batches),
            *(
                f"{name}: landed before, as batch {batch_id}; nothing changed (rows that a later file corrected stay "
                "corrected)"
                for name, batch_id in self.repeated
            ),
            *(f"refused {refused.sentence()}" for refused in self.refused),
            *(f"{name}: landed, and cannot be moved to the archive: {reason}" for name, reason in self.kept),
            *self.notes,
        ]


# Holds the written batches against their contracts.
BatchCheck = Callable[[list[PreparedBatch]], list[Check]]


class Landing:
    """One landing of a home. Needs the rebuild lock."""

    def __init__(
        self, settings: Settings, reporter: Reporter, check_batches: BatchCheck, accepts_removals: bool = False
    ) -> None:
        self._settings = settings
        self._accepts_removals = accepts_removals
        self._reporter = reporter
        self._check_batches = check_batches
        self._store = RawStore(settings)
        self._outcome = LandingOutcome()
        self._attempts = Attempts(settings, [])
        self._next_number = 1
        self._folders = 0
        # What this landing has taken, by kind and hash; and the files that were the same bytes once more.
        self._taken: dict[tuple[str, str], BatchRecord] = {}
        self._twice: list[tuple[Arrival, BatchRecord]] = []

    def land(self) -> LandingOutcome:
        """Land what lies in the landing folder.

        Raises:
            GateRefused: what was landed before is damaged, or Great Expectations found a written batch to break its
                contract. Nothing was landed.
        """
        self._outcome.notes += self._store.recover(self._accepts_removals)
        found, refused = door.look(self._settings)
        arrivals, growing = door.keep_settled(self._settings, found)
        self._outcome.refused += refused + growing
        self._attempts = Attempts(self._settings, arrivals)
        if arrivals:
            with self._working() as connection:
                if any(arrival.kind == "frameworks" for arrival in arrivals):
                    load_used_editions(connection, self._store)
                prepared = []
                try:
                    for arrival in sorted(arrivals, key=lambda arrival: KINDS.index(arrival.kind)):
                        batch = self._take(connection, arrival)
                        prepared += [(batch, arrival)] if batch else []
                finally:
                    self._attempts.close()
                self._commit(connection, prepared)
        else:
            self._attempts.close()
        self._store.write_refused_files(self._outcome.refused)
        try:
            self._outcome.merged = self._store.merge_small_files()
        except (duckdb.Error, OSError, CityIndexError) as error:
            # Merging only saves files; what was landed stands, and the next landing tries again.
            self._outcome.notes.append(f"small files of raw/ could not be merged: {in_one_line(error, _SAID)}")
        return self._outcome

    def retry(self, index_code: str, edition: str) -> LandingOutcome:
        """Try again the quarantined observations of one edition that lacked a city or an indicator when they came.

        Raises:
            GateRefused: see ``land``.
        """
        self._outcome.notes += self._store.recover(self._accepts_removals)
        before = self._store.records()
        with self._working() as connection:
            prepared = []
            for record in before:
                if record.kind == "observations" and record.quarantined_count and record.retry_of is None:
                    batch = self._retry(connection, record, (index_code, edition))
                    prepared += [(batch, None)] if batch else []
            self._commit(connection, prepared)
        return self._outcome

    @contextmanager
    def _working(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A database and a folder for the length of a landing."""
        work = self._settings.landing_work
        work.mkdir(parents=True, exist_ok=True)
        self._next_number = 1 + max((record.batch_number for record in self._store.records()), default=0)
        settings = self._settings
        connection = connect(
            in_bounded_memory(settings.landing_memory_bytes, work / "spilled"),
            paths=[work, settings.landing, settings.raw, settings.quarantine, settings.seeds],
        )
        try:
            define_macros(connection)
            load_known(connection, self._settings, self._store)
            yield connection
        finally:
            connection.close()
            shutil.rmtree(work, ignore_errors=True)

    def _new_folder(self) -> Path:
        self._folders += 1
        folder = self._settings.landing_work / str(self._folders)
        folder.mkdir()
        return folder

    def _take(self, connection: duckdb.DuckDBPyConnection, arrival: Arrival) -> PreparedBatch | None:
        """Stage, judge and write one file; None where it is refused, or landed before."""
        refused = self._attempts.refusal(arrival)
        if refused is not None:
            self._outcome.refused.append(refused)
            return None
        self._reporter.stage(f"landing {arrival.name}", total=100)
        self._attempts.begin(arrival)
        try:
            batch, said = self._prepare(connection, arrival)
        except UnreadableFile as error:
            batch, said = None, f"refused: {error}"
            self._outcome.refused.append(RefusedFile(arrival.name, arrival.kind, error.reason, error.detail))
        except (duckdb.Error, OSError, MemoryError) as error:
            reason = in_one_line(error, _SAID)
            batch, said = None, f"refused: {reason}"
            self._outcome.refused.append(
                RefusedFile(arrival.name, arrival.kind, "could not be landed", f"{reason}; it is tried again next time")
            )
        self._attempts.end(arrival)
        self._reporter.finish(said)
        if batch is not None:
            add_prepared(connection, batch)
        return batch

    def _prepare(self, connection: duckdb.DuckDBPyConnection, arrival: Arrival) -> tuple[PreparedBatch | None, str]:
        contract = contracts()[arrival.kind]
        folder = self._new_folder()
        with self._progress(connection) as progress:
            staged = stage(connection, contract, arrival.path, folder, progress.read_of(arrival.size))
            if arrival.has_changed():
                refused = door.still_growing(arrival)
                raise UnreadableFile(refused.reason, refused.detail)
            identity = (arrival.kind, staged.sha256)
            if identity in self._taken:
                self._twice.append((arrival, self._taken[identity]))
                return None, "the same bytes as another file of this landing"
            before = self._landed_before(*identity)
            if before is not None:
                batch = self._retry(connection, before)
                if batch is None:
                    self._outcome.repeated.append((arrival.name, before.batch_id))
                    self._archive(before, arrival)
                    return None, f"landed before, as batch {before.batch_id}"
            else:
                judge(connection, contract, staged)
                if contract.kind == "frameworks":
                    judge_frameworks(connection, contract)
                batch = self._write(connection, contract, staged, folder, arrival.file_name)
        record = batch.record
        self._taken[identity] = record
        if before is not None:
            return batch, f"landed before; {record.accepted_count:,} quarantined rows accepted now"
        return batch, f"{record.accepted_count:,} rows accepted, {record.quarantined_count:,} quarantined"

    def _landed_before(self, kind: str, sha256: str) -> BatchRecord | None:
        """The batch that the same bytes came with."""
        for record in self._store.records():
            if (record.kind, record.file_sha256, record.retry_of) == (kind, sha256, None):
                return record
        return None

    def _write(
        self,
        connection: duckdb.DuckDBPyConnection,
        contract: Contract,
        staged: Staged,
        folder: Path,
        file_name: str,
    ) -> PreparedBatch:
        (refused_count,) = connection.execute("select count(distinct row_number) from row_faults").fetchone()
        record = self._new_record(
            contract.kind, file_name, staged.sha256, staged.received, staged.received - refused_count, refused_count
        )
        accepted = f"select row_number, {typed_columns(contract)} from cleaned"
        if refused_count:
            accepted += " anti join row_faults using (row_number)"
        return write_batch(
            connection, record, accepted, _quarantined(contract, staged) if refused_count else None, folder
        )

    def _new_record(
        self,
        kind: str,
        file_name: str,
        sha256: str,
        received: int,
        accepted: int,
        quarantined: int,
        retry_of: str | None = None,
    ) -> BatchRecord:
        number, now = self._next_number, datetime.now(UTC).replace(tzinfo=None)
        self._next_number += 1
        return BatchRecord(
            batch_id=f"{number:06d}-{now:%Y%m%dT%H%M%SZ}-{sha256[:8]}",
            batch_number=number,
            kind=kind,
            file_name=file_name,
            file_sha256=sha256,
            received_at_utc=now.isoformat(timespec="seconds"),
            received_count=received,
            accepted_count=accepted,
            quarantined_count=quarantined,
            retry_of=retry_of,
        )

    def _retry(
        self, connection: duckdb.DuckDBPyConnection, record: BatchRecord, edition: tuple[str, str] | None = None
    ) -> PreparedBatch | None:
        """Judge again the quarantined rows of a batch that only lacked something outside themselves.

        Rows that are accepted now become a batch of their own. A row whose key a later batch has given is left alone:
        that one is the newer.
        """
        if not record.quarantined_count:
            return None
        contract = contracts()[record.kind]
        reasons = ", ".join(quoted(reason) for reason in REASONS_OUTSIDE_THE_ROW)
        names = ", ".join(identifier(name) for name in contract.names)
        wanted = ""
        if edition is not None:
            wanted = (
                f" and clean_text(index_code) = {quoted(edition[0])} and clean_text(edition) = {quoted(edition[1])}"
            )
        rows = (
            f"select row_number, {names} from {parquet_rows(self._store.quarantine_files(record.kind))}"
            f" where batch_id = {quoted(record.batch_id)} and list_has_all([{reasons}], reasons){wanted}"
        )
        (count,) = connection.execute(f"select count(*) from ({rows})").fetchone()
        if not count:
            return None
        judge(connection, contract, Staged(record.file_sha256, count, rows, NO_MALFORMED, contract.names))
        key = ", ".join(identifier(name) for name in contract.key)
        # A retry gives rows that are as old as the file that they came with.
        numbers = {other.batch_id: other.batch_number for other in self._store.records()}
        later = [
            str(other.batch_number)
            for other in self._store.records()
            if numbers.get(other.retry_of, other.batch_number) > record.batch_number
            or other.retry_of == record.batch_id
        ]
        connection.execute(
            f"create or replace temp table retried as select row_number, {typed_columns(contract)} from cleaned "
            "anti join row_faults using (row_number)"
        )
        if later:
            connection.execute(
                f"delete from retried where ({key}) in (select ({key}) from "
                f"{parquet_rows(self._store.files(record.kind))} where batch_number in ({', '.join(later)}))"
            )
        (accepted_count,) = connection.execute("select count(*) from retried").fetchone()
        if not accepted_count:
            return None
        retry = self._new_record(
            record.kind, record.file_name, record.file_sha256, accepted_count, accepted_count, 0, record.batch_id
        )
        return write_batch(connection, retry, "select * from retried order by row_number", None, self._new_folder())

    def _commit(
        self, connection: duckdb.DuckDBPyConnection, prepared: list[tuple[PreparedBatch, Arrival | None]]
    ) -> None:
        """Have the written batches looked at, and commit them."""
        if not prepared:
            return
        self._outcome.checks = self._check_batches([batch for batch, _arrival in prepared])
        failed = [check.sentence() for check in self._outcome.checks if check.stops_publishing]
        if failed:
            raise GateRefused(f"a quality gate refused what was to be landed: {failed[0]}; nothing was landed")
        try:
            for batch, arrival in prepared:
                self._outcome.batches.append(LandedBatch(batch.record, *_reasons(connection, batch)))
                self._store.commit(batch)
                if arrival is not None:
                    self._archive(batch.record, arrival)
        finally:
            self._store.settle()
        for arrival, record in self._twice:
            self._outcome.repeated.append((arrival.name, record.batch_id))
            self._archive(record, arrival)

    def _archive(self, record: BatchRecord, arrival: Arrival) -> None:
        # What was written into the file meanwhile has not been read; it stays, and is landed the next time.
        if not arrival.has_changed():
            problem = self._store.archive(record, arrival.path)
            if problem:
                self._outcome.kept.append((arrival.name, problem))

    @contextmanager
    def _progress(self, connection: duckdb.DuckDBPyConnection) -> Iterator[_FileProgress]:
        progress = _FileProgress(self._reporter, connection)
        progress.start()
        try:
            yield progress
        finally:
            progress.stop()


class _FileProgress:
    """Moves the bar of a file: the bytes that were read, then how far DuckDB is with each query after that."""

    def __init__(self, reporter: Reporter, connection: duckdb.DuckDBPyConnection) -> None:
        self._reporter = reporter
        self._connection = connection
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._bytes = 0
        self._size = 0
        self._shown = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def read_of(self, size: int) -> Callable[[int], None]:
        self._size = size

        def read(count: int) -> None:
            self._bytes += count

        return read

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            read_share = min(self._bytes / self._size, 1.0) if self._size else 0.0
            try:
                query_share = max(self._connection.query_progress(), 0.0) / 100
            except duckdb.Error:
                query_share = 0.0
            # Reading is about half of the work; the bar never goes back.
            reached = int(50 * read_share + 50 * (query_share if read_share >= 1 else 0))
            if reached > self._shown:
                self._reporter.advance(min(reached, 99) - self._shown)
                self._shown = min(reached, 99)


def _quarantined(contract: Contract, staged: Staged) -> str:
    """SQL of the refused rows of a judged file: reasons, raw text, key, and the fields as they were given."""
    fields = ", ".join(f"rows.{identifier(name)}" for name in contract.names)
    raw_fields = ", ".join(
        f"case when regexp_matches({name}, '[\",\\n]') then '\"' || replace({name}, '\"', '\"\"') || '\"' "
        f"else coalesce({name}, '') end"
        for name in (f"rows.{identifier(name)}" for name in staged.header)
    )
    nulls = ", ".join(f"cast(null as varchar) as {identifier(name)}" for name in contract.names)
    return f"""
        with several as (
            select row_number from row_faults group by row_number having count(*) > 1
        ),
        -- Most refused rows have one fault; only the others are gathered, which takes memory for each of them.
        faults as (
            select row_number, reason, [reason] as reasons, detail from row_faults anti join several using (row_number)
            union all
            select row_number, arg_min(reason, ordinal) as reason, list(reason order by ordinal) as reasons,
                string_agg(detail, '; ' order by ordinal) as detail
            from row_faults semi join several using (row_number)
            group by row_number
        )
        select rows.row_number, faults.reason, faults.reasons, faults.detail,
            array_to_string([{raw_fields}], ',') as raw_row,
            {row_key(contract, lambda name: f"clean_text(rows.{identifier(name)})")} as row_key, {fields}
        from ({staged.rows}) as rows
        inner join faults using (row_number)
        union all
        select malformed.row_number, faults.reason, faults.reasons, faults.detail, malformed.raw_row,
            cast(null as varchar) as row_key, {nulls}
        from ({staged.malformed}) as malformed
        inner join faults using (row_number)
        order by 1
    """


def _reasons(
    connection: duckdb.DuckDBPyConnection, batch: PreparedBatch
) -> tuple[dict[str, int], list[tuple[int, str, str]]]:
    if batch.quarantined is None:
        return {}, []
    source = parquet_rows([batch.quarantined])
    reasons = connection.execute(
        f"select reason, count(*) as row_count from {source} group by reason order by row_count desc, reason"
    ).fetchall()
    sample = connection.execute(
        f"select row_number, reason, detail from {source} order by row_number limit {_SAMPLE_ROWS}"
    ).fetchall()
    return dict(reasons), sample
