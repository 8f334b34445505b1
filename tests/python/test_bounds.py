"""Bounds of what is read: small files that unpack to much, or claim to, are refused by name, in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bombs import PARQUET_FILES, ROWS, WORKBOOKS, packed, parquet, parts

from city_index.contracts import contracts
from city_index.database import connect
from city_index.landing import parquet_files, xlsx_bounds, xlsx_files
from city_index.landing.csv_files import MAX_RECORD_BYTES, UnreadableFile
from city_index.landing.staging import header_of, stage
from city_index.settings import PROJECT_DIRECTORY

# What a reader of the refused files may have of memory beside the interpreter with DuckDB and openpyxl.
_MEMORY_BYTES = 1 << 30

_READ_ALL = """
import json, resource, sys
from pathlib import Path
import duckdb, openpyxl
from city_index.landing.csv_files import UnreadableFile
from city_index.landing.staging import header_of

with open("/proc/self/statm") as stream:
    used = int(stream.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]),) * 2)
found = {}
for path in sorted(Path(sys.argv[2]).iterdir()):
    try:
        found[path.name] = ["read", header_of(path)]
    except UnreadableFile as error:
        found[path.name] = [error.reason, error.detail]
print(json.dumps(found))
"""


def test_what_is_out_of_bounds_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    expected = {}
    for suffix, files in ((".xlsx", WORKBOOKS), (".parquet", PARQUET_FILES)):
        for name, (make, reason) in files.items():
            (tmp_path / f"{name}{suffix}").write_bytes(make())
            expected[f"{name}{suffix}"] = reason
    run = subprocess.run(
        [sys.executable, "-c", _READ_ALL, str(_MEMORY_BYTES), str(tmp_path)],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert {name: reason for name, (reason, _detail) in found.items()} == expected
    assert not [detail for _reason, detail in found.values() if "MemoryError" in detail or len(detail) > 300]


def test_the_workbook_that_the_others_are_made_from_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(
        packed(parts(shared="<si><t>a</t></si>", around="<mergeCells><mergeCell ref='A1:A1'/></mergeCells>"))
    )
    assert xlsx_files.read_header(path) == ["a"]
    taken = xlsx_files.take_apart(path, 1, tmp_path / "rows", tmp_path / "malformed")
    assert (taken.rows, taken.malformed) == (1, 0)


def test_a_link_to_another_workbook_is_not_followed(tmp_path: Path) -> None:
    members = parts()
    members["xl/workbook.xml"] = members["xl/workbook.xml"].replace(
        b"</sheets>", b'</sheets><externalReferences><externalReference r:id="rId9"/></externalReferences>'
    )
    members["xl/_rels/workbook.xml.rels"] = members["xl/_rels/workbook.xml.rels"].replace(
        b"</Relationships>",
        b'<Relationship Id="rId9" Target="externalLinks/externalLink1.xml" '
        b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/externalLink"/></Relationships>',
    )
    # It would be refused if anybody opened it.
    members["xl/externalLinks/externalLink1.xml"] = b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"
    path = tmp_path / "x.xlsx"
    path.write_bytes(packed(members))
    assert xlsx_files.read_header(path) == ["a"]


def test_cells_that_share_a_long_text_are_counted_at_their_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx_files, "MAX_UNPACKED_BYTES", 1 << 24)
    rows = "".join(f'<row r="{number}"><c t="s"><v>0</v></c></row>' for number in range(2, 102))
    path = tmp_path / "x.xlsx"
    path.write_bytes(
        packed(parts(ROWS[: ROWS.index('<row r="2"')] + rows, shared=f"<si><t>{'x' * (1 << 18)}</t></si>"))
    )
    with pytest.raises(UnreadableFile, match="too large: its cells hold more than"):
        xlsx_files.take_apart(path, 1, tmp_path / "rows", tmp_path / "malformed")


def test_a_row_of_a_workbook_is_as_long_as_one_of_a_csv_file_at_most(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    text = "城" * (MAX_RECORD_BYTES // 3 + 1)
    path.write_bytes(packed(parts(ROWS + f'<row r="3"><c r="A3" t="inlineStr"><is><t>{text}</t></is></c></row>')))
    taken = xlsx_files.take_apart(path, 1, tmp_path / "rows", tmp_path / "malformed")
    assert (taken.rows, taken.malformed) == (1, 1)
    assert "longer than" in (tmp_path / "malformed").read_text(encoding="utf-8")


@pytest.mark.parametrize("part", sorted(parts()))
def test_no_part_of_a_workbook_may_define_a_document_type(tmp_path: Path, part: str) -> None:
    members = parts(shared="<si><t>a</t></si>")
    members[part] = b'<!DOCTYPE x [<!ENTITY a "b">]>' + members[part]
    path = tmp_path / "x.xlsx"
    path.write_bytes(packed(members))
    with pytest.raises(UnreadableFile, match="document type"):
        xlsx_files.read_header(path)


def test_the_bounds_let_pass_what_a_full_sheet_needs() -> None:
    # A cell of a full sheet: <c r="A1048576" t="s"><v>1048576</v></c>
    assert 8 * xlsx_bounds.MAX_ROWS * len('<c r="A1048576" t="s"><v>1048576</v></c>') < xlsx_bounds.MAX_UNPACKED_BYTES
    assert max(len(contract.names) for contract in contracts().values()) < parquet_files.MAX_COLUMNS


@pytest.mark.parametrize(
    ("value", "fault"),
    [(f"repeat('x', {MAX_RECORD_BYTES + 1})", "a value is longer"), (f"repeat('x', {MAX_RECORD_BYTES})", "come to")],
)
def test_values_of_a_parquet_file_are_counted_at_their_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, fault: str
) -> None:
    monkeypatch.setattr(parquet_files, "MAX_TEXT_BYTES", 50 * MAX_RECORD_BYTES)
    path, work = tmp_path / "x.parquet", tmp_path / "work"
    # The values are the same, so that the file stays small.
    path.write_bytes(parquet(f"select {value} as city_code, 'x' as name_zh, 'y' as name_en from range(51)"))
    assert path.stat().st_size < 2 * MAX_RECORD_BYTES
    work.mkdir()
    with connect(paths=[tmp_path]) as connection, pytest.raises(UnreadableFile, match=f"too large: .*{fault}"):
        stage(connection, contracts()["cities"], path, work)


@pytest.mark.parametrize("codec", ["snappy", "zstd", "gzip", "lz4_raw", "brotli", "uncompressed"])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_parquet_files_of_every_codec_are_within_bounds(tmp_path: Path, codec: str, version: str) -> None:
    path = tmp_path / "x.parquet"
    with connect(paths=[tmp_path]) as connection:
        connection.execute(
            "copy (select number as a, 'c' || (number % 7) as b, null as c, number * 1.5 as d, date '2020-01-01' as e "
            f"from range(10_000) as numbers (number)) to '{path}' "
            f"(format parquet, compression {codec}, row_group_size 3000, parquet_version {version})"
        )
    assert header_of(path) == ["a", "b", "c", "d", "e"]


def test_a_parquet_file_cut_or_changed_anywhere_is_refused_or_read(tmp_path: Path) -> None:
    whole = parquet("select number as a, 'c' || number as b from range(100) as numbers (number)")
    path = tmp_path / "x.parquet"
    refused = 0
    for place in range(4, len(whole), 3):
        for changed in (whole[:place], whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]):
            path.write_bytes(changed)
            try:
                parquet_files.check_bounds(path)
            except UnreadableFile:
                refused += 1
    assert refused > len(whole) // 3
