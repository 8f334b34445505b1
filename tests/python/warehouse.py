"""The project's compiled SQL on rows that a test gives, without dbt in between: a run takes a fraction of a second.

What belongs here: compiling once, and running the models up to a table in a fresh database in memory. What is asked of
the results stands in the tests. dbt's own tests and contracts are not run here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from city_index.settings import PROJECT_DIRECTORY

Row = Mapping[str, str]

SCORES = "fct_indicator_scores"


class Warehouse:
    """The models of a compiled project that a table rests on, to be run as often as wanted.

    Further tables may be computed along with it; ``run_all`` gives them too.

    Args:
        compiled: the file with dbt's manifest of the compiled project.
        table: the table.
        further: the further tables.
    """

    def __init__(self, compiled: Path, table: str = SCORES, *further: str) -> None:
        manifest = json.loads(compiled.read_text(encoding="utf-8"))
        models = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
        targets = {name: key for name in (table, *further) for key, node in models.items() if node["name"] == name}
        nodes = {**manifest["nodes"], **manifest["sources"]}
        self._relations = {name: nodes[key]["relation_name"] for name, key in targets.items()}
        self._table = table
        self._seeds: dict[str, dict[str, Any]] = {}
        self._sources: dict[str, dict[str, Any]] = {}
        self._statements: list[str] = []
        self._schemas: set[str] = set()
        self._database = nodes[targets[table]]["database"]
        done: set[str] = set()

        def visit(key: str) -> None:
            if key in done:
                return
            done.add(key)
            node = nodes[key]
            for before in node.get("depends_on", {}).get("nodes", []):
                visit(before)
            self._schemas.add(node["schema"])
            if node["resource_type"] == "seed":
                self._seeds[node["name"]] = node
            elif node["resource_type"] == "source":
                self._sources[node["name"]] = node
            elif node["config"]["materialized"] != "ephemeral":
                kind = "view" if node["config"]["materialized"] == "view" else "table"
                self._statements.append(f"create {kind} {node['relation_name']} as {node['compiled_code']}")

        for target in targets.values():
            visit(target)

    def rests_on(self, seed: str) -> bool:
        """Whether the table rests on a seed."""
        return seed in self._seeds

    def run(self, landed: Mapping[str, Iterable[Row]] | None = None, **seeds: Iterable[Row]) -> list[dict[str, Any]]:
        """The rows of the table; what is given is as for ``run_all``."""
        return self.run_all(landed, **seeds)[self._table]

    def run_all(
        self, landed: Mapping[str, Iterable[Row]] | None = None, **seeds: Iterable[Row]
    ) -> dict[str, list[dict[str, Any]]]:
        """The rows of the table and of the further ones, by name.

        Args:
            landed: rows that have landed, by kind, as in CSV files; each with its ``batch_number``, by default 1.
            seeds: rows of seeds by their names, as in CSV files; other seeds are empty.
        """
        unknown = seeds.keys() - self._seeds.keys()
        if unknown:
            raise ValueError(f"the table rests on no seed named {', '.join(sorted(unknown))}")
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.execute(f"attach ':memory:' as \"{self._database}\"")
            for schema in self._schemas:
                connection.execute(f'create schema if not exists "{self._database}"."{schema}"')
            for name, node in self._seeds.items():
                connection.execute(
                    _filled(node, node["config"]["column_types"]), [json.dumps(list(map(dict, seeds.get(name, ()))))]
                )
            for name, node in self._sources.items():
                given = [{"batch_number": "1", "batch_id": "b", **row} for row in (landed or {}).get(name, ())]
                connection.execute(_filled(node, _source_columns(node)), [json.dumps(given)])
            for statement in self._statements:
                connection.execute(statement)
            return {name: _rows(connection, relation) for name, relation in self._relations.items()}


def compile_project(folder: Path) -> Path:
    """Compile the project, with all that this writes in a folder; gives the file with dbt's manifest."""
    paths = ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    compiled = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "--quiet", "compile", *paths],
        cwd=PROJECT_DIRECTORY,
        env={
            **os.environ,
            "CITY_INDEX_HOME": str(folder / "home"),
            "CITY_INDEX_BUILD_DATABASE": str(folder / "build.duckdb"),
            "DBT_PROFILES_DIR": str(PROJECT_DIRECTORY),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if compiled.returncode:
        raise RuntimeError(compiled.stdout + compiled.stderr)
    return folder / "target" / "manifest.json"


def _rows(connection: duckdb.DuckDBPyConnection, relation: str) -> list[dict[str, Any]]:
    found = connection.execute(f"select * from {relation}")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _source_columns(source: dict[str, Any]) -> dict[str, str]:
    """The types of a source's columns, by name; of what lands with those of its batch."""
    columns = {column["name"]: column["data_type"] for column in source["columns"].values()}
    return columns | (source["config"]["meta"]["batch_columns"] if source["config"]["meta"].get("key") else {})


def _filled(node: dict[str, Any], columns: dict[str, str]) -> str:
    """A seed or source made of the rows of a JSON array of objects of text; what is missing or empty is null."""
    structure = ", ".join(f'"{name}": "varchar"' for name in columns)
    typed = ", ".join(f"cast(nullif(line.{name}, '') as {kind}) as {name}" for name, kind in columns.items())
    return (
        f"create table {node['relation_name']} as select {typed} "
        f"from (select unnest(from_json(?, '[{{{structure}}}]')) as line)"
    )
