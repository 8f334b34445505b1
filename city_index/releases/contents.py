"""What a release holds, in words: its tables with their comments, its editions, and what must be said of them.

Read from the release's own database, so that every export says the same. How a file is written stands with that file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from city_index.database import connect, identifier
from city_index.releases.assemble import DATABASE_NAME

# The tables that people open first, in their order; the others follow by their prefix and name.
_FIRST = (
    "rpt_city_index",
    "fct_city_scores",
    "fct_indicator_scores",
    "fct_rank_intervals",
    "fct_tier_scores",
    "fct_cluster_scores",
    "fct_city_highlights",
    "fct_score_changes",
    "rpt_reconciliation",
    "rpt_score_trace",
)
_PREFIXES = ("rpt_", "fct_", "dim_", "meta_")


@dataclass(frozen=True)
class Standing:
    """What figures rest on that a reader must be told."""

    is_reconstructed: bool = False
    is_assumed: bool = False
    is_synthetic: bool = False

    def sentences(self) -> list[str]:
        """What must be said, one sentence for each; none where nothing has to be."""
        said = []
        if self.is_reconstructed:
            said.append("Rows made from reconstructed observations, not the authors' data (重建数据).")
        if self.is_assumed:
            said.append("Rows under weights that are partly assumed (部分权重为假设值).")
        if self.is_synthetic:
            said.append("Rows made from synthetic records (虚构记录).")
        return said


@dataclass(frozen=True)
class Column:
    """A column of a published table."""

    name: str
    data_type: str
    is_nullable: bool
    is_key: bool
    description: str


@dataclass(frozen=True)
class Table:
    """A published table; its description says in one sentence what a row is."""

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    row_count: int
    standing: Standing

    def has_columns(self, *names: str) -> bool:
        """Whether it has columns of all these names."""
        return set(names) <= {column.name for column in self.columns}


@dataclass(frozen=True)
class Edition:
    """An edition of an index, and the notice that stands beside its scores."""

    index_code: str
    edition: str
    title_zh: str | None
    title_en: str | None
    publisher_zh: str | None
    publisher_en: str | None
    source_document: str | None
    note: str | None
    standing: Standing
    notice_zh: str | None
    notice_en: str | None

    def __str__(self) -> str:
        return f"{self.index_code} {self.edition}"

    @property
    def title(self) -> str:
        """Its titles, else its codes."""
        return both(self.title_zh, self.title_en) or str(self)

    @property
    def publisher(self) -> str | None:
        """Who published the assessment, in both languages; None where nobody is named."""
        return both(self.publisher_zh, self.publisher_en)

    @property
    def notice(self) -> str | None:
        """What must be said beside its scores, in both languages; None where nothing has to be."""
        return " ".join(part for part in (self.notice_zh, self.notice_en) if part) or None


@dataclass(frozen=True)
class Contents:
    """What a release holds.

    Attributes:
        tables: its tables, in the order in which people want them.
        editions: its editions, by index.
        documents: names of the documents that figures of it were read from.
    """

    tables: tuple[Table, ...]
    editions: tuple[Edition, ...]
    documents: tuple[str, ...]

    def holds(self, *tables: str) -> bool:
        """Whether one of these tables has a row."""
        return any(table.name in tables and table.row_count for table in self.tables)

    @property
    def standing(self) -> Standing:
        """What some of its editions rest on."""
        standings = [edition.standing for edition in self.editions]
        return Standing(
            is_reconstructed=any(each.is_reconstructed for each in standings),
            is_assumed=any(each.is_assumed for each in standings),
            is_synthetic=any(each.is_synthetic for each in standings),
        )


def both(zh: str | None, en: str | None) -> str | None:
    """A name in both languages, or in the one there is."""
    return f"{zh} ({en})" if zh and en and zh != en else zh or en


@contextmanager
def release_database(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in memory that uses the database of a release folder, read-only."""
    with connect(databases={"release": folder / DATABASE_NAME}) as connection:
        connection.execute("use release.main")
        yield connection


def read_contents(connection: duckdb.DuckDBPyConnection) -> Contents:
    """Read what a release holds.

    Args:
        connection: the database of a release, in use.
    """
    keys = dict(
        connection.execute(
            "select table_name, constraint_column_names from duckdb_constraints() "
            "where database_name = 'release' and schema_name = 'main' and constraint_type = 'PRIMARY KEY'"
        ).fetchall()
    )
    columns = _columns(connection, keys)
    described = connection.execute(
        "select table_name, comment from duckdb_tables() where database_name = 'release' and schema_name = 'main'"
    ).fetchall()
    tables = tuple(
        Table(
            name=name,
            description=comment or "",
            columns=tuple(columns[name]),
            key=tuple(keys.get(name, ())),
            row_count=connection.execute(f"select count(*) from {identifier(name)}").fetchone()[0],
            standing=_standing(connection, name, {column.name for column in columns[name]}),
        )
        for name, comment in sorted(described, key=lambda row: _place(row[0]))
    )
    return Contents(tables=tables, editions=_editions(connection), documents=_documents(connection, tables))


def _place(table: str) -> tuple:
    """Where a table stands among the others."""
    if table in _FIRST:
        return (0, _FIRST.index(table), table)
    prefixes = [number for number, prefix in enumerate(_PREFIXES) if table.startswith(prefix)]
    return (1, prefixes[0] if prefixes else len(_PREFIXES), table)


def _columns(connection: duckdb.DuckDBPyConnection, keys: dict[str, list[str]]) -> dict[str, list[Column]]:
    columns: dict[str, list[Column]] = {}
    for table, name, data_type, is_nullable, comment in connection.execute(
        "select table_name, column_name, data_type, is_nullable, comment from duckdb_columns() "
        "where database_name = 'release' and schema_name = 'main' order by table_name, column_index"
    ).fetchall():
        is_key = name in keys.get(table, ())
        columns.setdefault(table, []).append(Column(name, data_type, is_nullable and not is_key, is_key, comment or ""))
    return columns


def _standing(connection: duckdb.DuckDBPyConnection, table: str, columns: set[str]) -> Standing:
    """What rows of a table rest on: by the editions that they name, and by their own mark of being synthetic."""
    editions = [name for name in sorted(columns) if name == "edition" or name.endswith("_edition")]
    found = (False, False, False)
    if "index_code" in columns and editions:
        named = " union ".join(f"select index_code, {identifier(name)} from {identifier(table)}" for name in editions)
        found = connection.execute(
            "select coalesce(bool_or(reconstructed_share > 0), false), "
            "coalesce(bool_or(assumed_weight_share > 0), false), coalesce(bool_or(is_synthetic), false) "
            f"from dim_editions where (index_code, edition) in ({named})"
        ).fetchone()
    is_marked = False
    if "is_synthetic" in columns:
        (is_marked,) = connection.execute(
            f"select coalesce(bool_or(is_synthetic), false) from {identifier(table)}"
        ).fetchone()
    return Standing(is_reconstructed=found[0], is_assumed=found[1], is_synthetic=found[2] or is_marked)


def _editions(connection: duckdb.DuckDBPyConnection) -> tuple[Edition, ...]:
    return tuple(
        Edition(*described, Standing(*standing), *notices)
        for *described, standing, notices in connection.execute(
            "with notices as ("
            " select distinct index_code, edition, notice_zh, notice_en from rpt_city_index"
            ") "
            "select editions.index_code, editions.edition, title_zh, title_en, publisher_zh, publisher_en, "
            "source_document, note, "
            "[coalesce(reconstructed_share > 0, false), coalesce(assumed_weight_share > 0, false), is_synthetic], "
            "[notice_zh, notice_en] "
            "from dim_editions as editions left join notices "
            "on editions.index_code = notices.index_code and editions.edition = notices.edition "
            "order by editions.index_code, is_synthetic, edition_ordinal, editions.edition"
        ).fetchall()
    )


def _documents(connection: duckdb.DuckDBPyConnection, tables: tuple[Table, ...]) -> tuple[str, ...]:
    named = [
        f"select source_document from {identifier(table.name)}"
        for table in tables
        if table.has_columns("source_document")
    ]
    if not named:
        return ()
    found = connection.execute(
        f"select source_document from ({' union '.join(named)}) where source_document is not null order by 1"
    ).fetchall()
    return tuple(name for (name,) in found)
