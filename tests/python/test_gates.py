"""The raw gate names what is wrong with an input; each fault is found by the claim that is there for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from city_index.checks import FAILED, PASSED, SKIPPED, WARNED, Check
from city_index.errors import CityIndexError
from city_index.gates.client import GateClient
from city_index.gates.registry import BATCHES
from city_index.settings import PROJECT_DIRECTORY


@pytest.fixture(scope="module")
def gates() -> Iterator[GateClient]:
    with GateClient() as client:
        yield client


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    return shutil.copytree(PROJECT_DIRECTORY / "seeds", tmp_path / "it's a folder")


def edit(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(change(lines)), encoding="utf-8")


def with_value(row: int, value: str) -> Callable[[list[str]], list[str]]:
    """Put another value into a row of observations.csv; rows count from 1, the header included."""

    def change(lines: list[str]) -> list[str]:
        fields = lines[row - 1].split(",")
        fields[4] = value
        return [*lines[: row - 1], ",".join(fields), *lines[row:]]

    return change


def failures(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks if check.status != PASSED}


def test_shipped_inputs_pass(gates: GateClient, seeds: Path) -> None:
    checks = gates.check_raw(seeds)
    assert failures(checks) == {}
    assert len(checks) == sum(len(batch.claims) for batch in BATCHES["raw"])


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", "", "many", "１００ 分"])
def test_values_that_are_no_finite_numbers_are_named(gates: GateClient, seeds: Path, value: str) -> None:
    edit(seeds / "observations.csv", with_value(17, value))
    found = failures(gates.check_raw(seeds))
    assert set(found) == {"observed_values_are_finite_numbers"}
    check = found["observed_values_are_finite_numbers"]
    assert check.status == FAILED
    assert check.observed == "1 of 7500 rows fail"
    assert "file_row=17, city_code=beijing, indicator_code=" in check.sentence()


@pytest.mark.parametrize("value", ["-0.001", "100.001", "1e12"])
def test_values_off_the_scale_are_named(gates: GateClient, seeds: Path, value: str) -> None:
    edit(seeds / "observations.csv", with_value(17, value))
    found = failures(gates.check_raw(seeds))
    assert set(found) == {"observed_scores_lie_on_their_scale"}
    assert "file_row=17" in found["observed_scores_lie_on_their_scale"].detail


def test_an_unknown_city_is_named(gates: GateClient, seeds: Path) -> None:
    edit(seeds / "observations.csv", lambda lines: [*lines, lines[-1].replace(lines[-1].split(",")[2], "atlantis")])
    found = failures(gates.check_raw(seeds))
    assert found["observed_cities_are_known"].status == FAILED
    assert "atlantis" in found["observed_cities_are_known"].detail


@pytest.mark.parametrize("code", ["infra_platform", "no_such_code"])
def test_a_code_that_is_no_leaf_is_named(gates: GateClient, seeds: Path, code: str) -> None:
    edit(
        seeds / "observations.csv",
        lambda lines: [*lines, f"medical_digital,2020,beijing,{code},100,,reconstruction_2020,reconstructed\n"],
    )
    found = failures(gates.check_raw(seeds))
    assert set(found) == {"observed_indicators_are_known_leaves"}
    assert code in found["observed_indicators_are_known_leaves"].detail


def test_a_lost_row_is_named(gates: GateClient, seeds: Path) -> None:
    edit(seeds / "observations.csv", lambda lines: lines[:99] + lines[100:])
    found = failures(gates.check_raw(seeds))
    assert set(found) == {"shipped_observations_are_a_complete_grid"}
    assert "city_code=shanghai, indicator_code=" in found["shipped_observations_are_a_complete_grid"].detail


def test_a_city_lost_from_the_observations_is_named(gates: GateClient, seeds: Path) -> None:
    edit(seeds / "observations.csv", lambda lines: [line for line in lines if ",lhasa," not in line])
    found = failures(gates.check_raw(seeds))
    assert set(found) == {"no_printed_city_is_without_observations"}
    assert "lhasa" in found["no_printed_city_is_without_observations"].detail


def test_a_city_lost_from_the_city_table_is_named(gates: GateClient, seeds: Path) -> None:
    edit(seeds / "cities.csv", lambda lines: [line for line in lines if not line.startswith("lhasa,")])
    found = failures(gates.check_raw(seeds))
    assert set(found) == {"observed_cities_are_known"}
    assert found["observed_cities_are_known"].observed == "50 of 7500 rows fail"


def test_printed_weights_that_sum_to_97_percent_are_named(gates: GateClient, seeds: Path) -> None:
    edit(
        seeds / "frameworks.csv",
        lambda lines: [line.replace(",0.35,", ",0.32,") if ",infra,total," in line else line for line in lines],
    )
    found = failures(gates.check_raw(seeds))
    assert set(found) == {"shipped_weights_of_siblings_sum_to_100_percent"}
    assert "parent_code=total, weight_percent=97.0" in found["shipped_weights_of_siblings_sum_to_100_percent"].detail


@pytest.mark.parametrize(("weight", "claim"), [("nan", "weights_are_finite_numbers"), ("0", "weights_are_positive")])
def test_impossible_weights_are_named(gates: GateClient, seeds: Path, weight: str, claim: str) -> None:
    edit(
        seeds / "frameworks.csv",
        lambda lines: [line.replace(",0.35,", f",{weight},") if ",infra,total," in line else line for line in lines],
    )
    found = failures(gates.check_raw(seeds))
    assert claim in found
    assert "indicator_code=infra" in found[claim].detail


def test_a_missing_gdp_is_a_warning(gates: GateClient, seeds: Path) -> None:
    edit(seeds / "statistics.csv", lambda lines: [line for line in lines if not line.startswith("lhasa,")])
    found = failures(gates.check_raw(seeds))
    assert {name: check.status for name, check in found.items()} == {
        "every_observed_city_has_the_weighting_statistic": WARNED
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"index_code,edition\nmedical_digital\n", "observations.csv row 2: 1 fields where the header has 2"),
        (b"index_code,edition\n", "observations.csv: the column city_code is missing"),
        (b"", "observations.csv: the file is empty"),
        ("index_code,城市\n".encode("gb18030"), "observations.csv: not UTF-8 at byte 11"),
        (b'a,b\n"x,1\n', "observations.csv row 2"),
    ],
)
def test_files_that_cannot_be_read_are_named(gates: GateClient, seeds: Path, content: bytes, said: str) -> None:
    (seeds / "observations.csv").write_bytes(content)
    (check,) = gates.check_raw(seeds)
    assert check.status == FAILED
    assert said in check.sentence()


def test_a_missing_file_and_an_extra_column_are_named(gates: GateClient, seeds: Path) -> None:
    edit(seeds / "tiers.csv", lambda lines: [f"{line.rstrip()},extra\n" for line in lines])
    (check,) = gates.check_raw(seeds)
    assert "tiers.csv: the column 'extra' is not declared" in check.sentence()
    (seeds / "cities.csv").unlink()
    (check,) = gates.check_raw(seeds)
    assert "cities.csv: the file is missing" in check.sentence()


def test_marts_pass_and_comparisons_wait_for_an_earlier_release(gates: GateClient, published) -> None:
    checks = gates.check_marts(published.home / "warehouse" / "build" / "build.duckdb", None)
    assert {check.status for check in checks} == {PASSED, SKIPPED}
    compared = gates.check_marts(published.home / "warehouse" / "build" / "build.duckdb", published.database)
    assert {check.status for check in compared} == {PASSED}


def test_a_worker_that_dies_is_reported(tmp_path: Path) -> None:
    with GateClient() as client:
        client._process.kill()
        with pytest.raises(CityIndexError, match="the gate worker ended"):
            client.check_raw(tmp_path)
