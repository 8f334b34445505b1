"""The store of landed batches: ``raw/``, ``quarantine/`` and the files as they arrived.

A batch is committed by one rename: that of its file in ``raw/<kind>/``, which also carries the record of the batch in
its Parquet metadata, so ``raw/`` alone says what was landed. Its quarantined rows are renamed into place before that,
and are removed again by ``recover`` where the batch itself never came. Nothing in ``raw/`` is ever changed; many small
files are merged into one that holds the same rows and records. The ledger has the checksum of every file.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from city_index.contracts import KINDS, batch_columns, contracts
from city_index.database import connect, copy_to_parquet, file_pattern, identifier, parquet_rows, quoted
from city_index.durability import sync
from city_index.errors import CityIndexError, in_one_line
from city_index.landing.door import RefusedFile
from city_index.landing.ledger import Ledger
from city_index.settings import Settings
from city_index.temporary import empty_own_folder

# The key of the batches' records in the metadata of a file of raw/.
METADATA_KEY = "city_index_batches"

# This many files of one kind are merged into one, unless they are large.
COMPACT_FROM = 64
_SMALL_BYTES = 128 << 20

# How much of what a library said a message repeats.
_SAID = 200


@dataclass(frozen=True)
class BatchRecord:
    """What is known of a batch.

    Attributes:
        batch_id: unique in a home; batches sort by it in the order in which they were landed.
        batch_number: counts the batches of a home from 1.
        kind: kind of its file.
        file_name: name of its file.
        file_sha256: of the file's bytes.
        received_at_utc: when it was landed, ISO 8601.
        received_count: rows of the file; of a retry, the rows that it accepted.
        accepted_count: rows accepted.
        quarantined_count: rows refused.
        retry_of: the batch whose quarantined rows were tried again; None for a file.
    """

    batch_id: str
    batch_number: int
    kind: str
    file_name: str
    file_sha256: str
    received_at_utc: str
    received_count: int
    accepted_count: int
    quarantined_count: int
    retry_of: str | None = None


@dataclass(frozen=True)
class PreparedBatch:
    """A batch that is written and not yet committed.

    Attributes:
        record: what is known of it.
        accepted: the file with its accepted rows.
        quarantined: the file with its refused rows; None where there are none.
    """

    record: BatchRecord
    accepted: Path
    quarantined: Path | None


class RawStore:
    """The batches of a home. Call ``recover`` first, under the rebuild lock."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ledger = Ledger(settings)
        self._records: list[BatchRecord] | None = None

    def files(self, kind: str) -> list[Path]:
        """The files of accepted rows of a kind, oldest batch first."""
        return sorted((self._settings.raw / kind).glob("*.parquet"))

    def quarantine_files(self, kind: str) -> list[Path]:
        """The files of refused rows of a kind, oldest batch first."""
        return sorted((self._settings.quarantine / kind).glob("*.parquet"))

    def records(self) -> list[BatchRecord]:
        """All batches in the order in which they were landed.

        Raises:
            CityIndexError: a file of raw/ cannot be read; the message names it.
        """
        if self._records is None:
            found = read_records([path for kind in KINDS for path in self.files(kind)])
            self._records = sorted(
                (record for records in found.values() for record in records), key=lambda record: record.batch_number
            )
        return self._records

    def recover(self, accepts_removals: bool = False) -> list[str]:
        """Complete or undo what a killed landing left, hold every landed file against its checksum, make the folders.

        Args:
            accepts_removals: let landed files go that are missing.

        Returns:
            What a person should know, one sentence each.

        Raises:
            GateRefused: a landed file is changed, missing or unknown.
            CityIndexError: a file of raw/ cannot be read, in a home that has no checksums yet; or something stands in
                the place of one of the folders.
        """
        empty_own_folder(self._settings.landing_work)
        self._ledger.clear_up()
        if self._ledger.exists:
            missing = self._ledger.demand_intact(accepts_removals)
            notes = [self._ledger.let_go(missing)] if missing else []
            self._ledger.complete()
        else:
            notes = self._clear_up_without_ledger()
            count = self._ledger.take_up()
            if count:
                notes.append(f"{count} landed files had no checksum yet; they are taken as they are from now on")
        for folder in (self._settings.landing, self._settings.raw, self._settings.quarantine):
            for kind in KINDS:
                if not (folder / kind).is_symlink():  # the landing folder may hold anything
                    _make_folder(folder / kind)
        self._records = None
        return notes

    def _clear_up_without_ledger(self) -> list[str]:
        """Clear up after a kill in a home that has no ledger yet; the files themselves say what belongs there.

        Rows that may be the only ones are set aside, and none removed: raw/ may have been lost as well as the ledger.

        Returns:
            What a person should know.
        """
        aside = 0
        for kind in KINDS:
            records = read_records(self.files(kind))
            batches = {path: {record.batch_id for record in found} for path, found in records.items()}
            for path, batch_ids in batches.items():
                # Batches that all stand in a larger file too: merging was cut short before it removed this one.
                if any(batch_ids < others for others in batches.values()):
                    path.unlink()
            committed = {path.name for path in self.files(kind)}
            for path in self.quarantine_files(kind):
                if path.name not in committed:
                    self._ledger.set_aside(path)
                    aside += 1
        return (
            [
                f"{aside} files of {self._settings.quarantine.name}/ belong to no batch of {self._settings.raw.name}/; "
                f"they were moved to {self._settings.let_go}"
            ]
            if aside
            else []
        )

    def commit(self, prepared: PreparedBatch) -> None:
        """Commit a batch, durably and in one step. After the last one call ``settle``."""
        name = f"{prepared.record.batch_id}.parquet"
        self._put(prepared.record.kind, name, prepared.accepted, prepared.quarantined)

    def settle(self) -> None:
        """Note that what was committed is complete; without it the next landing sees to that."""
        self._ledger.settle()

    def _put(
        self, kind: str, name: str, accepted: Path, quarantined: Path | None, replaced: Iterable[Path] = ()
    ) -> None:
        """Put the files of one or more batches in their place, and remove those that they replace."""
        place, quarantine_place = self._settings.raw / kind / name, self._settings.quarantine / kind / name
        adds = {place: accepted} | ({quarantine_place: quarantined} if quarantined is not None else {})
        self._ledger.begin(adds, replaced, decided_by=place)
        if quarantined is not None:
            _place(quarantined, quarantine_place)
        _place(accepted, place)
        self._ledger.end()
        self._records = None

    def archive(self, record: BatchRecord, path: Path) -> str | None:
        """Move a landed file out of the landing folder; gives why that was not possible, where it was not."""
        folder = self._settings.archive / record.kind / (record.retry_of or record.batch_id)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            target, count = folder / path.name, 1
            while target.exists() and not filecmp.cmp(target, path, shallow=False):
                count += 1
                target = folder / f"{path.stem}-{count}{path.suffix}"
            if target.exists():
                path.unlink()  # the same bytes lie there already
            else:
                shutil.move(path, target)
        except OSError as error:
            return error.strerror or type(error).__name__
        return None

    def merge_small_files(self) -> dict[str, int]:
        """Where many small files of a kind have piled up, merge them into one; gives how many, by kind."""
        merged = {}
        try:
            for kind in KINDS:
                small = [path for path in self.files(kind) if path.stat().st_size < _SMALL_BYTES]
                if len(small) >= COMPACT_FROM:
                    self._merge(kind, small)
                    merged[kind] = len(small)
        finally:
            self.settle()
        shutil.rmtree(self._settings.landing_work, ignore_errors=True)
        self._records = None
        return merged

    def _merge(self, kind: str, files: list[Path]) -> None:
        found = read_records(files).values()
        records = sorted((record for each in found for record in each), key=lambda record: record.batch_number)
        name = f"{records[0].batch_number:06d}-{records[-1].batch_number:06d}-merged.parquet"
        work = self._settings.landing_work
        work.mkdir(parents=True, exist_ok=True)
        accepted, quarantined = work / f"accepted-{name}", work / f"quarantined-{name}"
        refused = [path for path in self.quarantine_files(kind) if path.name in {small.name for small in files}]
        with connect(paths=[work, *files, *refused]) as connection:
            copy_to_parquet(connection, f"from {parquet_rows(files)}", accepted, _metadata_of(records))
            _require_equal_rows(connection, files, accepted)
            if refused:
                copy_to_parquet(connection, f"from {parquet_rows(refused)}", quarantined)
                _require_equal_rows(connection, refused, quarantined)
        self._put(kind, name, accepted, quarantined if refused else None, replaced=[*files, *refused])

    def write_refused_files(self, refused: Iterable[RefusedFile]) -> None:
        """Write down which files the last look into the landing folder refused."""
        target = self._settings.refused_files
        files = {file.name: file for file in refused}
        rows = [
            (file.name, file.file_name, file.kind, file.reason, file.detail)
            for file in sorted(files.values(), key=lambda file: file.name)
        ]
        if not rows:
            target.unlink(missing_ok=True)
            return
        work = self._settings.landing_work
        work.mkdir(parents=True, exist_ok=True)
        temporary = work / target.name
        with connect(paths=[temporary]) as connection:
            connection.execute(
                "create table refused_files "
                "(name varchar, file_name varchar, kind varchar, reason varchar, detail varchar)"
            )
            connection.executemany("insert into refused_files values (?, ?, ?, ?, ?)", rows)
            copy_to_parquet(connection, "from refused_files", temporary)
        _place(temporary, target)

    def refused_files(self) -> list[RefusedFile]:
        """The files that the last look into the landing folder refused."""
        path = self._settings.refused_files
        if not path.is_file():
            return []
        with connect(paths=[path]) as connection:
            try:
                rows = connection.execute(
                    f"select name, kind, reason, detail from read_parquet({file_pattern(path)}) order by all"
                ).fetchall()
            except duckdb.Error as error:
                said = in_one_line(error, _SAID)
                raise CityIndexError(f"{path} cannot be read ({said}); delete it, the next run makes it anew") from None
        return [RefusedFile(*row) for row in rows]


def _require_equal_rows(connection: duckdb.DuckDBPyConnection, files: list[Path], merged: Path) -> None:
    before, after = (
        connection.execute(f"select count(*), bit_xor(hash(rows)) from {parquet_rows(paths)} as rows").fetchone()
        for paths in (files, [merged])
    )
    if before != after:
        raise CityIndexError(
            f"merging {len(files)} files of {files[0].parent} lost or changed rows; nothing was merged"
        )


def _metadata_of(records: list[BatchRecord]) -> dict[str, str]:
    return {METADATA_KEY: json.dumps([asdict(record) for record in records], ensure_ascii=False)}


def read_records(paths: list[Path]) -> dict[Path, list[BatchRecord]]:
    """The records of the batches in each of the given files of raw/.

    Raises:
        CityIndexError: a file has none that can be read; the message names it.
    """
    if not paths:
        return {}
    for path in paths:
        if path.is_symlink():
            raise CityIndexError(f"{path} is a link, which is not followed; put the file itself there, or move it away")
    with connect(paths=paths) as connection:
        try:
            found = _metadata(connection, paths)
        except duckdb.Error:
            found = {}
            for path in paths:  # one by one, to name the one that cannot be read
                try:
                    found |= _metadata(connection, [path])
                except duckdb.Error as error:
                    raise _unreadable(path, error) from None
    records = {}
    for path in paths:
        try:
            records[path] = [BatchRecord(**record) for record in json.loads(found[str(path)])]
        except (KeyError, ValueError, TypeError) as error:
            raise _unreadable(path, error) from None
    return records


def _metadata(connection: duckdb.DuckDBPyConnection, paths: list[Path]) -> dict[str, str]:
    patterns = ", ".join(file_pattern(path) for path in paths)
    rows = connection.execute(
        f"select file_name, decode(value) from parquet_kv_metadata([{patterns}]) where decode(key) = ?", [METADATA_KEY]
    ).fetchall()
    return dict(rows)


def _unreadable(path: Path, error: Exception) -> CityIndexError:
    said = in_one_line(error, _SAID)
    return CityIndexError(f"{path} cannot be read as a landed batch ({said}); restore it, or move it away")


def write_batch(
    connection: duckdb.DuckDBPyConnection,
    record: BatchRecord,
    accepted_rows: str,
    quarantined_rows: str | None,
    folder: Path,
) -> PreparedBatch:
    """Write a batch into a folder of its own, to be committed later.

    Args:
        connection: where the queries are run.
        record: what is known of the batch, with the counts that the queries must give.
        accepted_rows: SQL of the accepted rows: the contract's columns, typed, and ``row_number``.
        quarantined_rows: SQL of the refused rows; None where there are none.
        folder: an existing folder.

    Raises:
        CityIndexError: the queries give other counts; a row would be lost.
    """
    names = ", ".join(identifier(name) for name in contracts()[record.kind].names)
    given = {
        "batch_id": quoted(record.batch_id),
        "batch_number": f"cast({record.batch_number} as integer)",
        "file_name": quoted(record.file_name),
        "file_sha256": quoted(record.file_sha256),
        "row_number": "cast(row_number as bigint)",
        "received_at_utc": f"timestamp {quoted(record.received_at_utc)}",
    }
    batch = ", ".join(f"{given[name]} as {name}" for name in batch_columns())
    accepted = folder / "accepted.parquet"
    accepted_count = copy_to_parquet(
        connection, f"select {names}, {batch} from ({accepted_rows})", accepted, _metadata_of([record])
    )
    quarantined, quarantined_count = None, 0
    if quarantined_rows is not None:
        quarantined = folder / "quarantined.parquet"
        quarantined_count = copy_to_parquet(
            connection,
            f"select {quoted(record.kind)} as kind, {batch}, * exclude (row_number) from ({quarantined_rows})",
            quarantined,
        )
    if (accepted_count, quarantined_count) != (record.accepted_count, record.quarantined_count):
        raise CityIndexError(
            f"{record.file_name}: {accepted_count} rows accepted and {quarantined_count} quarantined instead of "
            f"{record.accepted_count} and {record.quarantined_count}; nothing was landed"
        )
    return PreparedBatch(record, accepted, quarantined)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise CityIndexError(f"{folder} is not a folder, or lies in none; move away what stands there") from None


def _place(source: Path, target: Path) -> None:
    """Make a file durable and move it to where it belongs, in one step."""
    sync(source)
    os.replace(source, target)
    with suppress(OSError):
        sync(target.parent)
