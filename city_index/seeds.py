"""Reading the shipped seeds as text, for whoever needs them outside dbt."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path

import duckdb

from city_index.database import file_pattern, identifier, quoted


def declared_columns(folder: Path) -> dict[str, set[str]]:
    """The columns that ``seeds.yml`` declares for each seed, by seed."""
    import yaml

    declared = yaml.safe_load((folder / "seeds.yml").read_text(encoding="utf-8"))
    return {seed["name"]: set(seed["config"]["column_types"]) for seed in declared["seeds"]}


def _read_header(path: Path) -> list[str]:
    """The header of a CSV file whose rows all have its number of fields.

    Raises:
        ValueError: they do not, or the file cannot be read; the message names it and the row.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream, strict=True)
            header = next(rows, None)
            if not header:
                raise ValueError(f"{path.name}: the file is empty; it needs a header")
            for row in rows:
                if len(row) != len(header):
                    raise ValueError(
                        f"{path.name} row {rows.line_num}: {len(row)} fields where the header has {len(header)}"
                    )
    except FileNotFoundError:
        raise ValueError(f"{path.name}: the file is missing") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: not UTF-8 at byte {error.start}") from None
    except csv.Error as error:
        raise ValueError(f"{path.name} row {rows.line_num}: {error}") from None
    return header


def load_seeds(
    connection: duckdb.DuckDBPyConnection, folder: Path, only: Collection[str] | None = None, prefix: str = ""
) -> None:
    """Make a table of text for each declared seed, with the row of the file beside each row.

    Args:
        connection: gets the tables.
        folder: the folder of the seeds.
        only: the seeds to load; all by default.
        prefix: goes before the names of the tables.

    The header gives the columns, so nothing is guessed and no row can be dropped.

    Raises:
        ValueError: a file is missing, has other columns than declared, or cannot be read as it stands; the message
            names it and the column or row.
    """
    for name, expected in declared_columns(folder).items():
        if only is not None and name not in only:
            continue
        path = folder / f"{name}.csv"
        header = _read_header(path)
        for column in sorted(expected - set(header)):
            raise ValueError(f"{path.name}: the column {column} is missing")
        for column in header:
            if column not in expected or header.count(column) > 1:
                raise ValueError(f"{path.name}: the column {column!r} is not declared, or there twice")
        columns = ", ".join(f"{quoted(column)}: 'VARCHAR'" for column in header)
        try:
            connection.execute(
                f"create table {identifier(prefix + name)} as select 1 + row_number() over () as file_row, * "
                f"from read_csv({file_pattern(path)}, columns={{{columns}}}, header=true, "
                "delim=',', quote='\"', escape='\"', auto_detect=false, strict_mode=true, parallel=false)"
            )
        except Exception as error:
            raise ValueError(f"{path.name}: {str(error).splitlines()[0]}") from None
