"""The clients that are libraries, on the release that is published: `make clients`.

What belongs here: which client tries which script in which environment. Run as ``python -m clients.prove_readers``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from city_index.errors import CityIndexError, NothingPublishable
from city_index.settings import PROJECT_DIRECTORY, Settings
from clients.environments import Environment, environment, node_environment, node_pin
from clients.findings import Findings
from clients.readers.releases import a_copy, publish_next

_DUCKDB = ("duckdb_1_1", "duckdb_1_4", "duckdb_1_5", "duckdb_2_0")
_SECONDS = 1800


def prove(findings: Findings, published: Path) -> None:
    """Try every client on a folder ``published/``."""
    for name in _DUCKDB:
        read_with(findings, environment(name), "duckdb", "duckdb_client", published)
    read_with(findings, environment("sqlalchemy"), "duckdb-sqlalchemy", "sqlalchemy_client", published)
    frames = environment("frames")
    read_with(findings, frames, None, "frames", published)
    if (published / "city_index.xlsx").is_file():
        read_with(findings, frames, "openpyxl", "workbook", published)
    else:
        findings.skip("openpyxl", "reads the workbook", "this release has no city_index.xlsx")
    prove_the_data_package(findings, published)
    prove_node(findings, published)


def read_with(findings: Findings, client: Environment, package: str | None, script: str, published: Path) -> None:
    """Run a script of ``clients.readers`` by the Python of an environment, and take what it says.

    Args:
        findings: where it goes.
        client: the environment.
        package: the client's package, whose version is named; None where the script names several itself.
        script: the script.
        published: the folder ``published/``.
    """
    client_name = f"{package} {client.version(package)}" if package else script
    command = [client.python, "-m", f"clients.readers.{script}", published]
    findings.run(client_name, command, PROJECT_DIRECTORY)


def prove_the_data_package(findings: Findings, published: Path) -> None:
    """Hold every CSV file against the schema that the release states for it."""
    if not (published / "datapackage.json").is_file():
        findings.skip("frictionless", "validates the data package", "this release has no datapackage.json")
        return
    client = environment("frictionless")
    command = [client.bin / "frictionless", "validate", "datapackage.json"]
    run = subprocess.run(command, cwd=published, capture_output=True, text=True, timeout=_SECONDS, check=False)
    seen = "" if run.returncode == 0 else " ".join(run.stdout.split())[-300:]
    name = f"frictionless {client.version('frictionless')}"
    findings.claim(name, "validates the data package with every CSV file", run.returncode == 0, seen)


def prove_node(findings: Findings, published: Path) -> None:
    """DuckDB's client for Node.js, where Node.js is installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        findings.skip("@duckdb/node-api", "reads every table", "node and npm are not installed")
        return
    installed = node_environment(npm)
    pinned = node_pin("@duckdb/node-api")
    with tempfile.TemporaryDirectory() as scratch:
        following = a_copy(published, Path(scratch))
        publish_next(following)
        findings.run(f"@duckdb/node-api {pinned}", [node, "reader.mjs", published, following], installed)


def main() -> None:
    """Try everything, print what was found, and end with 0 where every claim holds."""
    findings = Findings()
    try:
        settings = Settings.from_environment()
        if not settings.published_database.is_file():
            raise NothingPublishable(f"nothing is published in {settings.published}; run `make run`")
        prove(findings, settings.published)
    except CityIndexError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"\nClients: {findings.summary()}")
    sys.exit(findings.exit_code)


if __name__ == "__main__":
    main()
