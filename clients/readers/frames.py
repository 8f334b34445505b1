"""pandas, Polars and PyArrow on the database, the Parquet files and the CSV files."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow.csv
import pyarrow.parquet

from clients.readers.releases import folder, row_counts
from clients.readers.saying import say


def main() -> None:
    """Read every table in every way."""
    published = folder()
    counts = row_counts(published)
    parquet, csv = published / "parquet", published / "csv"
    with duckdb.connect(str(published / "city_index.duckdb"), read_only=True) as connection:
        framed = {table: len(connection.sql(f'from "{table}"').df()) for table in counts}
        say(f"pandas {version('pandas')} takes every table of the database", framed == counts, f"{len(framed)} tables")
        polar = {table: connection.sql(f'from "{table}"').pl().height for table in counts}
        say(f"Polars {version('polars')} takes every table of the database", polar == counts, f"{len(polar)} tables")
        ranking = connection.sql("from rpt_city_index").pl()
    read = {table: len(pandas.read_parquet(parquet / f"{table}.parquet")) for table in counts}
    say("pandas reads every Parquet file", read == counts, f"{sum(read.values()):,} rows")
    read = {table: polars.read_parquet(parquet / f"{table}.parquet").height for table in counts}
    say("Polars reads every Parquet file", read == counts, f"{sum(read.values()):,} rows")
    read = {table: pyarrow.parquet.read_table(parquet / f"{table}.parquet").num_rows for table in counts}
    say(f"PyArrow {version('pyarrow')} reads every Parquet file", read == counts, f"{sum(read.values()):,} rows")
    read = {table: rows_of_csv(csv / f"{table}.csv") for table in counts}
    say("PyArrow reads every CSV file", read == counts, f"{sum(read.values()):,} rows")
    read = {table: len(pandas.read_csv(csv / f"{table}.csv", dtype=str, encoding="utf-8-sig")) for table in counts}
    say("pandas reads every CSV file", read == counts, f"{sum(read.values()):,} rows")
    written = polars.read_parquet(parquet / "rpt_city_index.parquet")
    say("the ranking is the same in the database and in Parquet", written.equals(ranking), f"{written.height} rows")


def rows_of_csv(file: Path) -> int:
    """The rows of a CSV file, whose fields may hold line ends."""
    return pyarrow.csv.read_csv(file, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True)).num_rows


if __name__ == "__main__":
    main()
