"""The documents are true where a machine can tell, and nothing is committed that must not be."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from city_index.cli import city_index as command_line
from city_index.contracts import contracts, markdown_table
from city_index.settings import PROJECT_DIRECTORY

DOCUMENTS = sorted([*PROJECT_DIRECTORY.glob("*.md"), *(PROJECT_DIRECTORY / "docs").rglob("*.md")])


def read(name: str) -> str:
    return (PROJECT_DIRECTORY / name).read_text(encoding="utf-8")


def committed_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT_DIRECTORY, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [PROJECT_DIRECTORY / name for name in listed.stdout.split("\0") if name]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (document.parent / target).exists(), target


def test_readme_is_short_and_begins_with_its_two_commands() -> None:
    lines = read("README.md").splitlines()
    assert len(lines) <= 150
    commands = [line.split()[:2] for line in lines if line.startswith("make ")]
    assert commands[:2] == [["make", "run"], ["make", "test"]]


def test_make_targets_named_in_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", read("Makefile"), flags=re.MULTILINE))
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        named = set(re.findall(r"`(?:[A-Z_]+=\S+ )?make ([a-z0-9-]+)", text)) | set(
            re.findall(r"^make ([a-z0-9-]+)", text, flags=re.MULTILINE)
        )
        assert named <= targets, document


def test_commands_named_in_documents_exist() -> None:
    context = click.Context(command_line)
    known = set(command_line.list_commands(context))
    assert {"run", "ingest", "status", "releases", "rollback", "verify", "whatif", "doctor"} <= known
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:`|bin/)city-index (?:--debug )?([a-z]+)", document.read_text(encoding="utf-8")))
        assert named <= known, document


def test_every_setting_is_documented() -> None:
    used = set(re.findall(r"CITY_INDEX_[A-Z_]+", read("city_index/settings.py")))
    documented = set(re.findall(r"^\| `(CITY_INDEX_[A-Z_]+)` ", read("docs/operations.md"), flags=re.MULTILINE))
    assert used == documented


def test_the_landing_page_shows_the_contracts_as_they_are() -> None:
    page = read("docs/landing.md")
    for kind, contract in contracts().items():
        assert f"### {kind}\n{contract.description}\n\n{markdown_table(contract)}\n" in page, markdown_table(contract)


def test_seeds_have_the_types_of_the_landing_contract() -> None:
    """Shipped and landed rows of a kind are versions of the same rows."""
    declared = yaml.safe_load(read("seeds/seeds.yml"))["seeds"]
    types = {seed["name"]: seed["config"]["column_types"] for seed in declared}
    for kind, contract in contracts().items():
        found = {name: data_type for name, data_type in types[kind].items() if name in contract.names}
        assert found == {column.name: column.data_type for column in contract.columns}, kind


def test_the_models_know_the_keys_of_the_landing_contract() -> None:
    (written,) = re.findall(
        r"macro landing_keys\(\) %\}\s*\{\{ return\((.*?)\) \}\}", read("macros/landed.sql"), re.DOTALL
    )
    assert ast.literal_eval(written) == {kind: list(contract.key) for kind, contract in contracts().items()}


def test_only_the_settings_read_the_environment() -> None:
    for path in [
        *(PROJECT_DIRECTORY / "city_index").rglob("*.py"),
        *(PROJECT_DIRECTORY / "orchestration").rglob("*.py"),
    ]:
        text = path.read_text(encoding="utf-8")
        if path.name != "settings.py":
            assert not re.search(r"environ\.get\(|getenv\(|environ\[[^\]]+\](?! = )", text), path


def test_published_tables_are_listed_for_readers(release) -> None:
    tables = {row[0] for row in release.execute("select table_name from duckdb_tables()").fetchall()}
    assert tables <= set(re.findall(r"`([a-z_]+)`", read("docs/bi.md")))


def test_nothing_committed_names_an_index_host_or_a_path_of_a_machine() -> None:
    forbidden = re.compile(
        "|".join(
            [
                r"https?://[^ /]*(py" + "pi|python" + r"hosted|npm" + r"js)",
                r"(?<![\w.])/(ro" + r"ot|ho" + r"me|wo" + r"rk)/",
            ]
        )
    )
    for path in committed_files():
        if path.is_file():
            # The one zip file stores its YAML as it is, so its text is searched too.
            assert not forbidden.search(path.read_bytes().decode("utf-8", "replace")), path


def test_the_lock_pins_every_package_with_hashes() -> None:
    lock = read("requirements.lock")
    packages = re.findall(r"^[a-z0-9][^\n]*", lock, flags=re.MULTILINE)
    assert len(packages) > 100
    assert all(re.match(r"[a-z0-9._-]+(\[[a-z,-]+\])?==[^ ]+ .*\\$", package) for package in packages)
    assert "://" not in lock
