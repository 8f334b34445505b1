"""Whether two means gave the same tables, scores and ranks: held before any time counts.

Node by node, so that memory stays small at any size. Numbers may differ by 1e-9, all else by nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np

from benchmarks.generated import INDEX_CODE
from benchmarks.measuring import BrokenBenchmark
from city_index.database import quoted

TOLERANCE = 1e-9

TABLES = {
    "fct_indicator_scores": ("index_code", "edition", "city_code", "indicator_code"),
    "fct_city_scores": ("index_code", "edition", "city_code"),
}

_NODE = "select city_code, score, rank from {relation} where indicator_code = ? and score is not null"


def demand_same_tables(models: Path, script: Path) -> int:
    """Hold the tables of two databases against each other, for the generated index; gives the rows compared.

    Raises:
        BrokenBenchmark: a row is in one alone, or a value differs; the message has the first one.
    """
    rows = 0
    with duckdb.connect() as connection:
        connection.execute(f"attach {quoted(models)} as models (read_only)")
        connection.execute(f"attach {quoted(script)} as script (read_only)")
        for table, key in TABLES.items():
            for part in _parts(connection, table):
                rows += _demand_same_rows(connection, table, key, part)
    if not rows:
        raise BrokenBenchmark("the models gave no rows of the generated index")
    return rows


def _parts(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """Conditions that cut a table into parts that are compared one after another."""
    if "indicator_code" not in TABLES[table]:
        return ["true"]
    codes = connection.execute(
        f"select distinct indicator_code from models.main.{table} where index_code = {quoted(INDEX_CODE)} order by all"
    ).fetchall()
    return [f"indicator_code = {quoted(code)}" for (code,) in codes]


def _demand_same_rows(connection: duckdb.DuckDBPyConnection, table: str, key: tuple[str, ...], part: str) -> int:
    columns = connection.execute(f"describe models.main.{table}").fetchall()
    differs = " or ".join(
        f"coalesce(abs(models.{name} - script.{name}) > {TOLERANCE}, models.{name} is distinct from script.{name})"
        if data_type == "DOUBLE"
        else f"models.{name} is distinct from script.{name}"
        for name, data_type, *_rest in columns
    )
    where = f"where index_code = {quoted(INDEX_CODE)} and {part}"
    query = (
        f"from (from models.main.{table} {where}) as models full join (from script.main.{table} {where}) as script "
        f"on {' and '.join(f'models.{column} = script.{column}' for column in key)}"
    )
    rows, differing = connection.execute(f"select count(*), count(*) filter (where {differs}) {query}").fetchone()
    if differing:
        first = connection.execute(f"select models, script {query} where {differs} limit 1").fetchone()
        raise BrokenBenchmark(f"{table}: {differing} of {rows} rows differ; the models and the script gave {first}")
    return rows


def demand_same_nodes(script: Path, peer: str, written: Path) -> None:
    """Hold the scores and ranks that a peer wrote against the script's.

    Args:
        script: the script's database, with one edition of the generated index.
        peer: name of the peer.
        written: a folder as ``numpy_floor`` writes it, or a Parquet file.

    Raises:
        BrokenBenchmark: they differ.
    """
    with duckdb.connect(str(script), read_only=True) as connection:
        codes = connection.execute("select distinct indicator_code from fct_indicator_scores order by all").fetchall()
        differ = _arrays_differ(written) if written.is_dir() else _rows_differ(written)
        for (code,) in codes:
            if differ(connection, code):
                raise BrokenBenchmark(f"{peer} gives other scores or ranks of {code} than the script does")


def _rows_differ(file: Path) -> Callable[[duckdb.DuckDBPyConnection, str], bool]:
    """Whether the rows of a node in a Parquet file are others than the script's."""
    query = f"""
        select count(*)
        from ({_NODE.format(relation="fct_indicator_scores")}) as script
        full join ({_NODE.format(relation=f"read_parquet({quoted(file)})")}) as peer
            on script.city_code = peer.city_code
        where coalesce(abs(script.score - peer.score) > {TOLERANCE}, true) or script.rank is distinct from peer.rank
    """
    return lambda connection, code: connection.execute(query, [code, code]).fetchone()[0] > 0


def _arrays_differ(folder: Path) -> Callable[[duckdb.DuckDBPyConnection, str], bool]:
    """Whether the rows of a node in the arrays of ``numpy_floor`` are others than the script's."""
    cities = np.load(folder / "cities.npy", allow_pickle=False)
    scores, ranks = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("scores", "ranks"))
    row_of = {code: row for row, code in enumerate(json.loads((folder / "nodes.json").read_text(encoding="utf-8")))}
    order = np.argsort(cities)
    sorted_cities = cities[order].astype(object)

    def differ(connection: duckdb.DuckDBPyConnection, code: str) -> bool:
        query = f"{_NODE.format(relation='fct_indicator_scores')} order by city_code"
        expected = connection.execute(query, [code]).fetchnumpy()
        row = row_of[code]
        is_scored = ~np.isnan(scores[row][order])
        scored = order[is_scored]
        return not (
            np.array_equal(sorted_cities[is_scored], expected["city_code"])
            and np.allclose(scores[row][scored], expected["score"], rtol=0, atol=TOLERANCE)
            and np.array_equal(ranks[row][scored], expected["rank"])
        )

    return differ
