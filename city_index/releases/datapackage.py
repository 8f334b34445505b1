"""The Frictionless data package of a release: its CSV files with their schemas, for programs that read packages.

A schema states what holds in this release: keys, relations to the dimensions, and what is never missing, all looked up
in the tables. The descriptor keeps to what versions 1 and 2 of the standard share.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import duckdb

from city_index.checksums import file_sha256
from city_index.database import identifier
from city_index.releases.contents import Column, Contents, Table
from city_index.releases.manifest import Manifest

# Titles of documents that no edition of an index rests on, so that dim_editions does not name them.
_DOCUMENT_TITLES = {
    "001_d04645c62d925cb8.txt": "Report of 2024 on smart hospitals by iResearch (艾瑞研究院); its title was not read",
}

_FIELD_TYPES = {
    "VARCHAR": "string",
    "BOOLEAN": "boolean",
    "DOUBLE": "number",
    "FLOAT": "number",
    "DATE": "date",
    "TIMESTAMP": "datetime",
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), "integer"),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"), "integer"),
}

# Columns that name a node of the tree without saying so at their end.
_ROLES = {"indicator_code": ("parent_code", "primary_code", "secondary_code")}

_DESCRIPTION = (
    "The published tables of one release of City Index, as CSV; each resource names the Parquet file with the same "
    "rows. CSV files are UTF-8 with a byte order mark. A missing value is an empty field. Text that a spreadsheet "
    "would run as a formula has an apostrophe put before it: text that begins with = + - @, full-width ones too, also "
    "after white space, or with a tab or a line end. Take that apostrophe off again, or read the Parquet files, which "
    "hold the text as it is. Rights and what must be said when reusing the data: LICENCE.md. SHA-256 of every file: "
    "manifest.json."
)


def data_package(
    folder: Path, connection: duckdb.DuckDBPyConnection, contents: Contents, manifest: Manifest
) -> dict[str, object]:
    """The descriptor of a release, as it goes into datapackage.json.

    Args:
        folder: the release, with its CSV and Parquet files.
        connection: the database of the release, in use.
        contents: what the release holds.
        manifest: the manifest of the release.
    """
    return {
        "profile": "data-package",
        "name": "city-index",
        "title": f"City Index, release {manifest.release_id}",
        "description": _DESCRIPTION,
        "version": manifest.release_id,
        "created": manifest.built_at_utc,
        "notice": manifest.notice,
        "keywords": keywords(contents),
        "contributors": [{"title": "City Index", "role": "wrangler"}],
        "sources": [{"title": title} for title in source_titles(contents)],
        "resources": [_resource(folder, connection, contents, table) for table in contents.tables],
    }


def keywords(contents: Contents) -> list[str]:
    """Words under which the release is looked for: what it is, and its indices."""
    return ["composite indicators", "city index", *sorted({edition.index_code for edition in contents.editions})]


def source_titles(contents: Contents) -> list[str]:
    """What the release was made from, a line for each document and for each edition's observations."""
    titles = {}
    for edition in contents.editions:
        if edition.source_document:
            published_by = f", published by {edition.publisher}" if edition.publisher else ""
            titles.setdefault(edition.source_document, f"{edition.title}{published_by}")
    lines = [
        f"{titles.get(name) or _DOCUMENT_TITLES.get(name) or 'Document'}; {name}"
        for name in sorted({*titles, *contents.documents})
    ]
    for edition in contents.editions:
        if edition.standing.is_synthetic:
            lines.append(
                f"Synthetic records of {edition}: invented, a demonstration; they describe no city or hospital"
            )
        elif edition.standing.is_reconstructed:
            lines.append(f"Observations of {edition}: wholly or partly reconstructed; not the authors' data")
    return lines


def _resource(
    folder: Path, connection: duckdb.DuckDBPyConnection, contents: Contents, table: Table
) -> dict[str, object]:
    csv = f"csv/{table.name}.csv"
    parquet = f"parquet/{table.name}.parquet"
    resource = {
        "profile": "tabular-data-resource",
        "name": table.name,
        "path": csv,
        "title": table.name,
        "description": table.description,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        **_size_and_hash(folder / csv),
        "dialect": {"delimiter": ",", "lineTerminator": "\n", "quoteChar": '"', "doubleQuote": True, "header": True},
        "schema": _schema(connection, contents, table),
        "parquet": {"path": parquet, **_size_and_hash(folder / parquet)},
    }
    if table.standing.sentences():
        resource["notice"] = " ".join(table.standing.sentences())
    return resource


def _size_and_hash(path: Path) -> dict[str, object]:
    return {"bytes": path.stat().st_size, "hash": f"sha256:{file_sha256(path)}"}


def _schema(connection: duckdb.DuckDBPyConnection, contents: Contents, table: Table) -> dict[str, object]:
    unusual = _unusual(connection, table)
    schema = {
        "fields": [_field(column, column.name in unusual) for column in table.columns],
        "missingValues": [""],
        "primaryKey": list(table.key),
    }
    foreign_keys = [
        {"fields": list(fields), "reference": {"resource": dimension.name, "fields": list(dimension.key)}}
        for dimension, fields in _relations(contents, table)
        if _holds(connection, table, fields, dimension)
    ]
    if foreign_keys:
        schema["foreignKeys"] = foreign_keys
    return schema


def _field(column: Column, is_unusual: bool) -> dict[str, object]:
    field_type = _FIELD_TYPES.get(column.data_type, "number" if column.data_type.startswith("DECIMAL(") else "string")
    if is_unusual and field_type != "string":
        field_type = "string"  # a day or time that no date of the standard can be
    field: dict[str, object] = {"name": column.name, "type": field_type, "description": column.description}
    if field_type == "datetime":
        field["format"] = "any"  # DuckDB writes a blank between day and time
    # An empty text is no missing value in the table, but reads as one from a CSV.
    if not column.is_nullable and not (is_unusual and column.data_type == "VARCHAR"):
        field["constraints"] = {"required": True}
    return field


def _unusual(connection: duckdb.DuckDBPyConnection, table: Table) -> set[str]:
    """The columns with values that a schema has to make room for: empty text, and days beyond four-digit years."""
    conditions = {}
    for column in table.columns:
        name = identifier(column.name)
        if column.data_type == "VARCHAR" and not column.is_nullable:
            conditions[column.name] = f"bool_or({name} = '')"
        elif column.data_type in ("DATE", "TIMESTAMP"):
            conditions[column.name] = f"bool_or({name} < date '0001-01-01' or {name} >= date '10000-01-01')"
    if not conditions:
        return set()
    found = connection.execute(f"select {', '.join(conditions.values())} from {identifier(table.name)}").fetchone()
    return {name for name, is_found in zip(conditions, found, strict=True) if is_found}


def _relations(contents: Contents, table: Table) -> list[tuple[Table, tuple[str, ...]]]:
    """Dimensions that a table may point to, with its columns in the order of the dimension's key.

    A column points to a part of a key by its own name, by a name that ends in it (upper_city_code), or by its role.
    """
    names = [column.name for column in table.columns]
    found = []
    for dimension in contents.tables:
        if not dimension.name.startswith("dim_") or dimension.name == table.name or not dimension.key:
            continue
        choices = [
            [name for name in names if name == part or name.endswith(f"_{part}") or name in _ROLES.get(part, ())]
            for part in dimension.key
        ]
        for fields in product(*choices):
            # One part of a key plays another role at a time; with two the columns belong to different rows.
            others = sum(field != part for field, part in zip(fields, dimension.key, strict=True))
            if len(set(fields)) == len(fields) and others <= 1:
                found.append((dimension, fields))
    return found


def _holds(connection: duckdb.DuckDBPyConnection, table: Table, fields: tuple[str, ...], dimension: Table) -> bool:
    """Whether every row that has one of the fields leads to a row of the dimension; empty text counts as missing."""
    given = [f"nullif(cast(pointing.{identifier(field)} as varchar), '')" for field in fields]
    kept = [f"nullif(cast(dimension.{identifier(part)} as varchar), '')" for part in dimension.key]
    on = " and ".join(f"{left} is not distinct from {right}" for left, right in zip(given, kept, strict=True))
    (astray,) = connection.execute(
        f"select count(*) from {identifier(table.name)} as pointing "
        f"where coalesce({', '.join(given)}) is not null "
        f"and not exists (select 1 from {identifier(dimension.name)} as dimension where {on})"
    ).fetchone()
    return astray == 0
