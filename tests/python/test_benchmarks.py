"""The benchmarks' own parts: what they generate, what they hold equal, and how they tell what was measured."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from benchmarks.generated import INDEX_CODE, GeneratedIndex, land
from city_index.errors import UsageError
from city_index.landing.raw_store import RawStore
from city_index.settings import PROJECT_DIRECTORY, Settings

TINY = GeneratedIndex(cities=40, indicators=7, editions=2, seed=5, missing_percent=10)


def landed(home: Path, index: GeneratedIndex = TINY) -> Settings:
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=home)
    land(settings, index)
    return settings


def observed(settings: Settings) -> list[tuple]:
    with duckdb.connect() as connection:
        return connection.execute(
            "select edition, city_code, indicator_code, value from read_parquet($files)",
            {"files": [str(path) for path in RawStore(settings).files("observations")]},
        ).fetchall()


def mixed(number: int) -> int:
    """The finalizer of MurmurHash3, 32 bits."""
    number &= 0xFFFFFFFF
    number ^= number >> 16
    number = number * 0x85EBCA6B & 0xFFFFFFFF
    number ^= number >> 13
    number = number * 0xC2B2AE35 & 0xFFFFFFFF
    return number ^ number >> 16


def test_generated_observations_follow_from_the_arguments_alone(tmp_path: Path) -> None:
    expected = []
    for edition in (2019, 2020):
        for city in range(40):
            for leaf in range(7):
                of_city = mixed(city + 5 * 2654435761)
                of_cell = mixed(of_city + leaf * 40503 + edition * 65599)
                size = (100, 1_000, 50, 1_000)[leaf % 4]
                if mixed(of_cell + 1) >= 10 * 42949673:
                    value = size * (0.6 * of_city + 0.4 * of_cell) / 2**32
                    expected.append((str(edition), f"c{city}", f"leaf_{leaf}", pytest.approx(value, abs=0.0051)))
    found = observed(landed(tmp_path / "one"))
    assert found == expected
    assert 0.8 < len(found) / (2 * 40 * 7) < 1.0
    assert observed(landed(tmp_path / "again")) == found
    assert observed(landed(tmp_path / "other", GeneratedIndex(40, 7, 2, seed=6))) != found


def test_a_generated_index_stands_in_the_store_as_landed_batches_do(tmp_path: Path) -> None:
    settings = landed(tmp_path)
    store = RawStore(settings)
    assert store.recover() == []
    assert [(record.kind, record.accepted_count > 0) for record in store.records()] == [
        ("cities", True),
        ("frameworks", True),
        ("observations", True),
        ("observations", True),
    ]


def test_every_inner_node_of_a_generated_tree_has_children_and_every_leaf_lies_three_levels_down() -> None:
    for indicators in (1, 7, 60):
        parents = {
            node["indicator_code"]: node["parent_code"] for node in GeneratedIndex(indicators=indicators).nodes()
        }
        leaves = set(parents) - set(parents.values())
        assert len(leaves) == indicators
        for leaf in leaves:
            assert parents[parents[parents[leaf]]] == "total"


@pytest.mark.parametrize("wrong", [{"cities": 0}, {"missing_percent": 100}, {"cities": 1 << 26}, {"seed": -1}])
def test_an_index_that_cannot_be_generated_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        GeneratedIndex(**wrong)


def test_the_code_of_a_generated_index_is_no_shipped_one() -> None:
    assert INDEX_CODE not in (PROJECT_DIRECTORY / "seeds" / "frameworks.csv").read_text(encoding="utf-8")
