"""Staging: any file becomes a table of text with row numbers, and a count of what it held.

What belongs here: getting every row of a file across, whatever the format. Nothing is judged yet.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from city_index.checksums import file_sha256
from city_index.contracts import Contract, contracts
from city_index.database import copy_to_parquet, file_pattern, identifier, quoted
from city_index.landing import csv_files, parquet_files, xlsx_files
from city_index.landing.csv_files import UTF8, UnreadableFile

_CSV_OPTIONS = (
    "delim=',', quote='\"', escape='\"', auto_detect=false, strict_mode=true, hive_partitioning=false, "
    f"max_line_size={4 * csv_files.MAX_RECORD_BYTES}"
)

# SQL of malformed records where there are none.
NO_MALFORMED = "select cast(null as bigint) as row_number, '' as detail, '' as raw_row where false"


@dataclass(frozen=True)
class Staged:
    """A file as text.

    Attributes:
        sha256: of the file's bytes, in hex.
        received: how many rows it held.
        rows: SQL that gives ``row_number`` and all columns of the contract as text, in the order of the file.
        malformed: SQL that gives ``row_number``, ``detail`` and ``raw_row`` of the records that are no rows.
        header: the columns that the file has, in its order.
    """

    sha256: str
    received: int
    rows: str
    malformed: str
    header: tuple[str, ...]


def header_of(path: Path) -> list[str]:
    """The column names of a file of any format, by its suffix.

    Raises:
        UnreadableFile: it has none that can be read.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return csv_files.read_header(path)
    if suffix == ".xlsx":
        return xlsx_files.read_header(path)
    return parquet_files.read_header(path)


def kind_of(header: list[str]) -> str | None:
    """The kind whose file has this header; None where it fits none."""
    for kind, contract in contracts().items():
        if set(contract.required_names) <= set(header) <= set(contract.names):
            return kind
    return None


def check_header(contract: Contract, header: list[str]) -> None:
    """Hold a header against a contract.

    Raises:
        UnreadableFile: a column is missing, unknown or there twice; the detail names each.
    """
    allowed = ", ".join(contract.names)
    faults = []
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        raise UnreadableFile("not separated by commas", f"its header is {header[0]!r}; save it with commas")
    unknown = [name for name in header if name not in contract.names]
    if unknown:
        faults.append(f"it has {_listed(unknown)} that {contract.kind} files do not have; columns allowed: {allowed}")
    missing = [name for name in contract.required_names if name not in header]
    if missing:
        faults.append(f"it lacks {_listed(missing)}")
    repeated = sorted(name for name, count in Counter(header).items() if count > 1)
    if repeated:
        faults.append(f"it has {_listed(repeated)} twice")
    if faults:
        reason = "unknown column" if unknown else "missing column" if missing else "repeated column"
        raise UnreadableFile(reason, "; ".join(faults))


def _listed(names: list[str], shown: int = 10) -> str:
    quoted_names = ", ".join(repr(name[:60]) for name in names[:shown])
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"the column{'s' if len(names) > 1 else ''} {quoted_names}{more}"


def stage(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    source: Path,
    work: Path,
    read: Callable[[int], None] = lambda _bytes: None,
) -> Staged:
    """Stage a file.

    Args:
        connection: a DuckDB connection.
        contract: of the file's kind.
        source: the file; its suffix tells its format.
        work: an empty folder for what staging writes; the rows are read from it until the batch is committed.
        read: called with bytes read, for progress.

    Raises:
        UnreadableFile: the file cannot be taken at all.
    """
    suffix = source.suffix.lower()
    # DuckDB is given a name of ours: the file's own may be no UTF-8, or mean something to DuckDB.
    path = work / f"input{suffix}"
    _give_name(source, path)
    header = header_of(path)
    check_header(contract, header)
    if suffix == ".parquet":
        staged = _stage_parquet(connection, contract, header, path, work)
    elif suffix == ".xlsx":
        staged = _stage_xlsx(connection, contract, header, path, work)
    else:
        staged = _stage_csv(connection, contract, header, path, work, read)
    if staged.received == 0:
        raise UnreadableFile("no rows", "it holds a header and no rows; add rows, or remove it")
    return staged


def _give_name(source: Path, path: Path) -> None:
    """Give a file a name of ours, under which it stays the same file whatever happens to its first one.

    It is a second name for the same inode. Where there can be none, for a file on another file system or one of another
    user that the system lets nobody link, it is a copy, made through one opening of the file.

    Raises:
        UnreadableFile: what stands there is no plain file any more.
        OSError: it cannot be read, or there is no room for the copy.
    """
    try:
        os.link(source, path, follow_symlinks=False)
    except OSError:
        _copy(source, path)
    else:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise _no_plain_file()


def _copy(source: Path, path: Path) -> None:
    try:
        # A link is not followed, and a pipe does not wait for a writer.
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _no_plain_file() from None
        raise
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _no_plain_file()
        with path.open("xb") as target:
            shutil.copyfileobj(stream, target, 1 << 20)


def _no_plain_file() -> UnreadableFile:
    return UnreadableFile("not a file", "only plain files are read; remove it")


def _all_columns(contract: Contract, present: list[str], row_number: str) -> str:
    """The select list of a staged table: the contract's columns as text, absent ones as null."""
    columns = [
        identifier(name) if name in present else f"cast(null as varchar) as {identifier(name)}"
        for name in contract.names
    ]
    return ", ".join([f"{row_number} as row_number", *columns])


def _stage_parquet(
    connection: duckdb.DuckDBPyConnection, contract: Contract, header: list[str], path: Path, work: Path
) -> Staged:
    target = work / "rows.parquet"
    try:
        described = connection.execute(
            f"describe select * from read_parquet({file_pattern(path)}, hive_partitioning=false)"
        ).fetchall()
        parquet_files.check_texts(connection, path, {name: data_type for name, data_type, *_rest in described})
        casts = ", ".join(f"{_as_text(name, data_type)} as {identifier(name)}" for name, data_type, *_rest in described)
        copied = copy_to_parquet(
            connection, f"select {casts} from read_parquet({file_pattern(path)}, hive_partitioning=false)", target
        )
        (counted,) = connection.execute(f"select num_rows from parquet_file_metadata({file_pattern(path)})").fetchone()
    except duckdb.Error as error:
        raise parquet_files.not_parquet(path, error) from None
    if copied != counted:
        raise UnreadableFile("rows lost in reading", f"its footer counts {counted} rows and {copied} were read")
    rows = (
        f"select {_all_columns(contract, header, 'file_row_number + 1')} "
        f"from read_parquet({file_pattern(target)}, file_row_number=true)"
    )
    return Staged(file_sha256(path), counted, rows, NO_MALFORMED, tuple(header))


def _as_text(name: str, data_type: str) -> str:
    """SQL of a Parquet column as text; whole numbers without a point, as libraries hold years with gaps as doubles."""
    text = f"cast({identifier(name)} as varchar)"
    return f"regexp_replace({text}, '\\.0$', '')" if data_type in ("DOUBLE", "FLOAT") else text


def _stage_xlsx(
    connection: duckdb.DuckDBPyConnection, contract: Contract, header: list[str], path: Path, work: Path
) -> Staged:
    rows_csv, malformed_csv = work / "rows.csv", work / "malformed.csv"
    taken = xlsx_files.take_apart(path, len(header), rows_csv, malformed_csv)
    return _from_parts(connection, contract, header, work, file_sha256(path), taken, rows_csv, malformed_csv)


def _stage_csv(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    header: list[str],
    path: Path,
    work: Path,
    read: Callable[[int], None],
) -> Staged:
    found: list[csv_files.Scan] = []

    def scan_file() -> None:
        with suppress(OSError):  # a file that went away, or that cannot be read to its end
            found.append(csv_files.scan(path, read))

    # Hashing and counting let go of the interpreter, so they run beside DuckDB's reading.
    scanner = threading.Thread(target=scan_file)
    scanner.start()
    target = work / "rows.parquet"
    line_end = _first_line_end(path)
    copied = _copy_plain(connection, header, path, target, line_end)
    scanner.join()
    if not found:
        raise UnreadableFile("not readable", "it could not be read to its end; copy it again")
    (scan,) = found
    received = max(scan.record_count - 1, 0)
    encoding = UTF8
    if not scan.is_utf8:
        encoding = csv_files.encoding_of(path)
        if encoding != UTF8:
            recoded = work / "recoded.csv"
            copied = None
            if csv_files.transcode(path, recoded):
                copied = _copy_plain(connection, header, recoded, target, scan.line_end)
    if scan.is_plain and copied == received and (scan.is_utf8 or encoding != UTF8):
        rows = (
            f"select {_all_columns(contract, header, 'file_row_number + 2')} "
            f"from read_parquet({file_pattern(target)}, file_row_number=true)"
        )
        return Staged(scan.sha256, received, rows, NO_MALFORMED, tuple(header))
    target.unlink(missing_ok=True)
    rows_csv, malformed_csv = work / "rows.csv", work / "malformed.csv"
    taken = csv_files.take_apart(path, encoding, scan.line_end, len(header), rows_csv, malformed_csv)
    return _from_parts(connection, contract, header, work, scan.sha256, taken, rows_csv, malformed_csv)


def _first_line_end(path: Path) -> bytes:
    with path.open("rb") as stream:
        return b"\r\n" if stream.readline(csv_files.MAX_RECORD_BYTES).endswith(b"\r\n") else b"\n"


def _copy_plain(
    connection: duckdb.DuckDBPyConnection, header: list[str], path: Path, target: Path, line_end: bytes
) -> int | None:
    """Let DuckDB read a CSV file as it stands; see ``_copy_csv``."""
    new_line = "\\r\\n" if line_end == b"\r\n" else "\\n"
    return _copy_csv(connection, path, target, dict.fromkeys(header, "VARCHAR"), f"header=true, new_line='{new_line}'")


def _copy_csv(
    connection: duckdb.DuckDBPyConnection, source: Path, target: Path, types: dict[str, str], options: str
) -> int | None:
    """Let DuckDB read a CSV file into a Parquet file; gives the rows it found, or None where it gave up."""
    columns = ", ".join(f"{quoted(name)}: {quoted(type_)}" for name, type_ in types.items())
    query = f"select * from read_csv({file_pattern(source)}, columns={{{columns}}}, {options}, {_CSV_OPTIONS})"
    try:
        return copy_to_parquet(connection, query, target)
    except duckdb.Error:
        return None


def _from_parts(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    header: list[str],
    work: Path,
    sha256: str,
    taken: csv_files.Taken,
    rows_csv: Path,
    malformed_csv: Path,
) -> Staged:
    """Stage a file that was taken apart; the rows that DuckDB reads back must be as many as were written."""
    target, malformed = work / "rows.parquet", work / "malformed.parquet"
    read_back = (
        _copy_part(connection, rows_csv, target, header),
        _copy_part(connection, malformed_csv, malformed, ["detail", "raw_row"]),
    )
    if read_back != (taken.rows, taken.malformed):
        raise UnreadableFile(
            "rows lost in reading",
            f"{taken.rows} rows and {taken.malformed} malformed ones were found and {read_back} could be read back; "
            "save it as CSV UTF-8 with quotes around text",
        )
    rows = f"select {_all_columns(contract, header, 'row_number')} from read_parquet({file_pattern(target)})"
    return Staged(
        sha256,
        taken.rows + taken.malformed,
        rows,
        f"select row_number, detail, raw_row from read_parquet({file_pattern(malformed)})",
        tuple(header),
    )


def _copy_part(connection: duckdb.DuckDBPyConnection, source: Path, target: Path, names: list[str]) -> int | None:
    """Read back a CSV file of our own, whose rows begin with their number; see ``_copy_csv``."""
    types = {"row_number": "BIGINT", **dict.fromkeys(names, "VARCHAR")}
    return _copy_csv(connection, source, target, types, "header=false, new_line='\\n'")
