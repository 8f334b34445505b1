"""Shared fixtures: copies of the project, and what is made once for the whole suite, that tests read."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import duckdb
import pytest
from editions_home import EditionsHome, follow_the_page
from guests_home import land_guests
from support import PAGES_OF_ALL_CITIES, Published, city_index, copy_project
from warehouse import compile_project

from city_index.lock import file_lock

Made = TypeVar("Made")

# Rebuilds are many, and draws, workbooks and pages of cities are not what most tests are about: fewer draws, no sheets
# of long tables, and pages for the ten best cities alone, unless a test or the environment says otherwise.
os.environ.setdefault("CITY_INDEX_DRAW_COUNT", "500")
os.environ.setdefault("CITY_INDEX_SENSITIVITY_ROWS", "32")
os.environ.setdefault("CITY_INDEX_WORKBOOK_ROWS", "1000")
os.environ.setdefault("CITY_INDEX_REPORT_CITIES", "10")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run slow proofs in their long form (`make proofs`)")


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    """Whether slow proofs run in their long form."""
    return request.config.getoption("--long")


def _made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Made]) -> Made:
    """What is made in a folder of its own by the first process of the suite that asks for it; the others find it."""
    suite = factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else factory.getbasetemp()
    with file_lock(suite / f"{name}.lock"):
        made = suite / f"{name}.pickle"
        if not made.exists():
            made.write_bytes(pickle.dumps(make(factory.mktemp(name))))
        return pickle.loads(made.read_bytes())


def _publish(home: Path) -> Published:
    run = city_index("run", home=home, **PAGES_OF_ALL_CITIES)
    assert run.returncode == 0, run.stderr
    return Published(home=home, run=run)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The shipped inputs, published once for the whole suite. Tests must not change it."""
    return _made_once(tmp_path_factory, "published", _publish)


@pytest.fixture(scope="session")
def editions(tmp_path_factory: pytest.TempPathFactory, published: Published) -> EditionsHome:
    """Several editions of several indices, published once for the whole suite. Tests must not change it."""
    return _made_once(tmp_path_factory, "editions", lambda folder: follow_the_page(published.home, folder))


@pytest.fixture(scope="session")
def guests(tmp_path_factory: pytest.TempPathFactory, published: Published) -> Path:
    """A published database with indices strange to the report's, made once for the whole suite. Tests must not change
    it."""
    return _made_once(tmp_path_factory, "guests", lambda folder: land_guests(published.home, folder))


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with dbt's manifest of the project, compiled once for the whole suite."""
    return _made_once(tmp_path_factory, "compiled", compile_project)


@pytest.fixture
def release(published: Published):
    """A read-only connection to the published database."""
    with duckdb.connect(str(published.database), read_only=True) as connection:
        yield connection


@pytest.fixture
def project_copy(tmp_path: Path) -> Path:
    """A copy of the project, in a folder whose name has what quoting and patterns trip over."""
    return copy_project(tmp_path / "it's [a] checkout")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever needs a published home or a copy of the project runs the whole rebuild; files with such tests go first,
    so that of two processes neither is left alone with one at the end."""
    for item in items:
        if {"published", "release", "project_copy"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
