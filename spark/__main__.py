"""The proof that Spark makes what DuckDB makes: ``make spark``, or ``python -m spark [SIZE ...]``.

The report's index and generated ones are built by both engines from the same raw rows, and every published table of one
is held against the other's. Ends with exit code 1 where they differ.

``python -m spark inputs FOLDER`` writes the raw rows of the newest build of a home as Parquet, for a cluster to read.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.generated import GeneratedIndex, land
from city_index.builds import latest_build
from city_index.database import connect
from city_index.errors import CityIndexError, NothingPublishable, UsageError
from city_index.landing.landing import Landing
from city_index.progress import SilentReporter
from city_index.settings import Settings
from spark.engines import Workspace, build_on_duckdb, build_on_spark
from spark.inputs import export_inputs
from spark.methods import CORRECTIONS, REFUSED, write_corrections, write_index
from spark.parity import Comparison, compare, parity_text, published_tables
from spark.sizing import Measured, measured_text, write_measured

SIZES = ("250x60x2", "1500x60x2")
ENGINES = ("DuckDB", "Spark")


def land_files(settings: Settings) -> None:
    """Land the examples of the documentation, and an index that takes every way through the models; then corrections.

    Raises:
        CityIndexError: a file was refused, or not as many rows as are wrong among the corrections.
    """
    for path in sorted((settings.project_directory / "docs" / "examples").glob("*/*.csv")):
        target = settings.landing / path.stem / f"{path.parent.name}.csv"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    write_index(settings)
    _land_waiting(settings, refused_count=0)
    write_corrections(settings)
    _land_waiting(settings, refused_count=REFUSED)


def _land_waiting(settings: Settings, refused_count: int) -> None:
    # Great Expectations claims of a batch what the landing judges row by row; here the rows' own verdicts are enough.
    outcome = Landing(settings, SilentReporter(), lambda _batches: []).land()
    found = sum(batch.record.quarantined_count for batch in outcome.batches)
    if outcome.refused or found != refused_count:
        raise CityIndexError(
            f"{len(outcome.refused)} files and {found} rows were refused where {refused_count} rows are wrong: "
            f"{'; '.join(outcome.sentences())}"
        )


def parse_size(text: str) -> GeneratedIndex:
    """A generated index as it is written: ``CITIESxTERTIARIESxEDITIONS``.

    Raises:
        UsageError: it is none.
    """
    parts = text.split("x")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"{text} is no size; write CITIESxTERTIARIESxEDITIONS")
    return GeneratedIndex(*map(int, parts))


def compare_warehouses(workspace: Workspace) -> list[Comparison]:
    """Every published table of the two builds of a workspace."""
    tables = published_tables(workspace.target("duckdb") / "manifest.json")
    with connect(databases={"duckdb": workspace.database}, paths=[workspace.warehouse]) as connection:
        return [
            compare(connection, table, f"duckdb.main.{table.name}", workspace.spark_table(table.name))
            for table in tables
        ]


def parse_compiled(workspace: Workspace) -> int:
    """Parse what dbt compiled for Spark as SQL of Spark; gives how many models.

    Raises:
        CityIndexError: one is not.
    """
    import sqlglot

    compiled = sorted((workspace.target("spark") / "compiled").rglob("models/**/*.sql"))
    for path in compiled:
        try:
            sqlglot.parse_one(path.read_text(encoding="utf-8"), dialect="spark")
        except sqlglot.errors.ParseError as error:
            raise CityIndexError(f"{path.name} is no SQL of Spark: {error}") from error
    return len(compiled)


def _demand_corrections(comparisons: list[Comparison]) -> None:
    """See that the corrections and the refused rows have come through: two empty tables are equal too."""
    counts = {each.table: each.row_counts[0] for each in comparisons}
    for table, least in (("fct_corrections", CORRECTIONS), ("meta_quarantine", REFUSED)):
        if counts[table] < least:
            raise CityIndexError(f"{table} has {counts[table]} rows, and at least {least} were landed for it")


def prove(
    name: str, generated: GeneratedIndex | None, folder: Path, with_tests: bool
) -> tuple[list[Comparison], Measured]:
    """Build an index by both engines and compare.

    Args:
        name: of the index, for people.
        generated: an index that lands; None for the shipped ones, the examples and the one of every method.
        folder: where both builds go.
        with_tests: whether dbt's data tests run on Spark as well.
    """
    workspace = Workspace(folder)
    if generated is None:
        land_files(workspace.settings)
    else:
        land(workspace.settings, generated)
    on_duckdb = build_on_duckdb(workspace)
    inputs = export_inputs(workspace.settings, workspace.database, workspace.inputs)
    on_spark = build_on_spark(workspace, with_tests)
    model_count = parse_compiled(workspace)
    comparisons = compare_warehouses(workspace)
    if generated is None:
        _demand_corrections(comparisons)
    print(f"\n{name}: {sum(inputs.values()):,} raw rows in {len(inputs)} Parquet files")
    print(parity_text(comparisons, ENGINES))
    print(f"{model_count} compiled models are SQL of Spark; {on_spark.told()} on Spark, {on_duckdb.told()} on DuckDB")
    return comparisons, Measured.of(name, workspace, on_duckdb, on_spark)


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is None:
        with tempfile.TemporaryDirectory() as made:
            yield Path(made)
    else:
        kept.mkdir(parents=True, exist_ok=True)
        if any(kept.iterdir()):
            raise UsageError(f"{kept} is not empty; name a folder for --keep that is, or that is not there")
        yield kept.absolute()


def _prove_all(arguments: argparse.Namespace) -> int:
    cases: list[tuple[str, GeneratedIndex | None]] = []
    if not arguments.generated_only:
        cases.append(("the report's index, examples, every method", None))
    cases += [(f"generated, {text}", parse_size(text)) for text in arguments.sizes or SIZES]
    differing, compared, measured = 0, 0, []
    with _folder(arguments.keep) as folder:
        for number, (name, generated) in enumerate(cases):
            comparisons, figures = prove(name, generated, folder / f"{number}", arguments.tests)
            differing += sum(not each.is_equal for each in comparisons)
            compared += len(comparisons)
            measured.append(figures)
    print(f"\n{measured_text(measured)}")
    if arguments.write:
        write_measured(measured, " ".join(["python -m spark", *sys.argv[1:]]))
    print(f"\n{compared} tables compared, {differing} with differences")
    return 1 if differing else 0


def _export(arguments: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    build = latest_build(settings)
    if build is None or not build.database.is_file():
        raise NothingPublishable(f"no build stands in {settings.warehouse}; run `city-index run`")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for path, count in export_inputs(settings, build.database, arguments.folder.absolute()).items():
        print(f"{path}: {count:,} rows")
    return 0


def main() -> int:
    """Run what the command line asks for; gives the exit code."""
    if sys.argv[1:2] == ["inputs"]:
        parser = argparse.ArgumentParser(prog="python -m spark inputs")
        parser.add_argument("folder", type=Path, help="where the Parquet files go")
        arguments, work = parser.parse_args(sys.argv[2:]), _export
    else:
        parser = argparse.ArgumentParser(prog="python -m spark", description="Build on both engines, and compare.")
        parser.add_argument("sizes", nargs="*", help=f"CITIESxTERTIARIESxEDITIONS; {' '.join(SIZES)} by default")
        parser.add_argument("--generated-only", action="store_true", help="leave out the report's index")
        parser.add_argument("--tests", action="store_true", help="run dbt's data tests on Spark as well")
        parser.add_argument("--keep", type=Path, help="an empty folder for both warehouses")
        parser.add_argument("--write", action="store_true", help="write the figures into docs/spark.md")
        arguments, work = parser.parse_args(), _prove_all
    try:
        return work(arguments)
    except CityIndexError as error:
        print(f"spark: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
