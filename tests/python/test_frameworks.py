"""Framework files are taken whole or refused whole, with every fault named; one in use keeps its method."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from landing_files import CITIES, FRAMEWORK, OBSERVATIONS, Door, make_door

from city_index.contracts import contracts
from city_index.database import copy_to_parquet
from city_index.landing.frameworks import tree_faults
from city_index.landing.raw_store import METADATA_KEY

NAMES = contracts()["frameworks"].names


def tree(*nodes: tuple[str, str | None] | dict) -> list[dict]:
    """Typed nodes from (code, parent) pairs, or from dicts with more."""
    rows = []
    for number, node in enumerate(nodes, start=2):
        given = node if isinstance(node, dict) else {"indicator_code": node[0], "parent_code": node[1]}
        rows.append(dict.fromkeys(NAMES) | {"row_number": number, "weight": 1.0} | given)
    return rows


SOUND = [("total", None), ("p", "total"), ("s", "p"), ("a", "s"), ("b", "s")]

NOT_A_LEAF = {"indicator_code": "s", "parent_code": "p", "direction": 1}


def leaf(**columns: object) -> dict:
    return {"indicator_code": "c", "parent_code": "s", **columns}


def test_a_sound_tree_has_no_fault() -> None:
    assert tree_faults(tree(*SOUND)) == []


@pytest.mark.parametrize(
    "choices",
    [
        {"normalisation": "z_score", "scale_low": 50.0, "scale_high": 10.0},
        {"normalisation": "rank", "scale_low": 0.0, "scale_high": 100.0},
        {"normalisation": "min_max", "treatment": "winsorise", "treatment_limit": 3, "denominator": "population"},
        {"normalisation": "z_score", "treatment": "log", "imputation": "linear", "direction": -1},
        {"normalisation": "distance_to_target", "norm_high": -3.0},
        {"direction": -1},
    ],
)
def test_choices_that_fit_each_other_are_taken(choices: dict) -> None:
    assert tree_faults(tree(*SOUND, leaf(**choices))) == []


def test_a_tree_may_be_given_from_its_leaves() -> None:
    assert tree_faults(tree(*reversed(SOUND))) == []


@pytest.mark.parametrize(
    ("nodes", "row_number", "said"),
    [
        (SOUND[1:], 2, "no root"),
        ([*SOUND, ("second", None)], 7, "second has no parent"),
        ([*SOUND, ("x", "nobody")], 7, "unknown parent nobody"),
        ([*SOUND, ("x", "y"), ("y", "x")], 7, "x is its own ancestor"),
        ([*SOUND, ("x", "x")], 7, "x is its own ancestor"),
        ([("total", "p"), *SOUND[1:]], 2, "the root total has the parent p"),
        ([*SOUND, ("short", "total")], 7, "short is a leaf 1 level below the root"),
        ([*SOUND, ("short", "p")], 7, "short is a leaf 2 levels below the root"),
        ([*SOUND, ("deep", "a")], 7, "deep is a leaf 4 levels below the root"),
        ([*SOUND, ("deep", "a")], 5, "a stands 3 levels below the root and has children"),
        ([("total", None)], 2, "total is a leaf 0 levels below the root"),
        ([*SOUND[:2], NOT_A_LEAF, *SOUND[3:]], 4, "no leaf and gives direction"),
        ([*SOUND, leaf(aggregation="arithmetic")], 7, "is a leaf and gives aggregation"),
        ([*SOUND, leaf(normalisation="goalposts")], 7, "goalposts and lacks norm_low"),
        ([*SOUND, leaf(normalisation="goalposts", norm_low=2.0, norm_high=1.0)], 7, "norm_low 2 not below norm_high 1"),
        ([*SOUND, leaf(normalisation="log_goalposts", norm_low=0.0, norm_high=1.0)], 7, "logarithms"),
        ([*SOUND, leaf(normalisation="distance_to_target")], 7, "lacks norm_high"),
        ([*SOUND, leaf(normalisation="distance_to_reference")], 7, "lacks norm_low"),
        ([*SOUND, leaf(normalisation="min_max", scale_low=100.0)], 7, "scale_low 100 not below scale_high 100"),
        ([*SOUND, leaf(scale_low=0.0, scale_high=10.0)], 7, "normalised by score, whose scale is 0..100"),
        ([*SOUND, leaf(normalisation="rank", scale_high=10.0)], 7, "normalised by rank, which has no scale"),
        ([*SOUND, leaf(normalisation="z_score", scale_high=0.0)], 7, "scale_high 0; the standard deviation"),
        ([*SOUND, leaf(normalisation="min_max", treatment_limit=3)], 7, "gives treatment_limit and is not treated"),
        ([*SOUND, leaf(treatment="log")], 7, "treated by log and normalised by score"),
        ([*SOUND, leaf(normalisation="goalposts", norm_low=1.0, norm_high=2.0, treatment="log")], 7, "log_goalposts"),
        ([*SOUND, leaf(denominator="population")], 7, "a score is not divided"),
        ([*SOUND[:2], {"indicator_code": "s", "parent_code": "p", "imputation": "mean"}, *SOUND[3:]], 4, "imputation"),
        ([*SOUND[:2], {"indicator_code": "s", "parent_code": "p", "treatment": "log"}, *SOUND[3:]], 4, "treatment"),
    ],
)
def test_every_fault_of_a_tree_is_named_at_its_row(nodes: list, row_number: int, said: str) -> None:
    found = [fault for fault in tree_faults(tree(*nodes)) if said in fault.detail]
    assert [fault.row_number for fault in found] == [row_number], tree_faults(tree(*nodes))


def test_a_long_chain_and_a_wide_tree_take_no_recursion() -> None:
    chain = [("total", None), *((f"n{i}", f"n{i - 1}" if i else "total") for i in range(50_000))]
    assert any("too deep" in fault.detail for fault in tree_faults(tree(*chain)))
    assert tree_faults(tree(*SOUND, *((f"w{i}", "s") for i in range(50_000)))) == []


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return make_door(tmp_path)


def test_one_fault_refuses_every_row_and_all_faults_are_said(door: Door) -> None:
    text = FRAMEWORK.replace("Doctors,1", "Doctors,-1") + "wellbeing,2024,lost,nobody,x,X,1\n"
    door.drop("frameworks", "bad.csv", text)
    (batch,) = door.land().batches
    assert (batch.record.received_count, batch.record.accepted_count) == (6, 0)
    assert batch.reasons == {"framework refused": 4, "bad tree": 1, "out of range": 1}
    ((detail,), *_rest) = door.quarantined("frameworks", "detail")
    assert "weight '-1' is not above 0" in detail and "unknown parent nobody" in detail
    door.account()


def test_a_good_tree_beside_a_bad_one_in_the_same_file_is_refused_too(door: Door) -> None:
    door.drop("frameworks", "two.csv", FRAMEWORK + "other,2024,total,,x,X,1\n")
    (batch,) = door.land().batches
    assert batch.record.accepted_count == 0


@pytest.mark.parametrize(
    "row",
    [
        "wellbeing,2024,doctors,health,医生,Doctors,nan",
        "wellbeing,2024,doctors,health,医生,Doctors,0",
        "wellbeing,2024,doctors,health,医生,Doctors,1e400",
        "wellbeing,2024,lifespan,health,医生,Doctors,1",
        "wellbeing,2024,,health,医生,Doctors,1",
        "wellbeing,2024,doctors,health,医生,Doctors",
    ],
)
def test_a_wrong_row_refuses_the_framework(door: Door, row: str) -> None:
    lines = FRAMEWORK.splitlines()
    door.drop("frameworks", "bad.csv", "\n".join([*lines[:-1], row]) + "\n")
    (batch,) = door.land().batches
    assert batch.record.accepted_count == 0
    door.account()


def test_codes_that_cannot_be_computed_are_refused(door: Door) -> None:
    header, *rows = FRAMEWORK.splitlines()
    door.drop(
        "frameworks",
        "bad.csv",
        "\n".join([f"{header},normalisation", *(f"{row}," for row in rows[:-1]), f"{rows[-1]},magic"]) + "\n",
    )
    (batch,) = door.land().batches
    assert batch.reasons == {"framework refused": 4, "unknown code": 1}


def test_a_framework_without_observations_may_be_replaced_whole(door: Door) -> None:
    door.land_foreign_index()
    smaller = "\n".join(FRAMEWORK.splitlines()[:-1]) + "\n"
    door.drop("frameworks", "smaller.csv", smaller)
    (batch,) = door.land().batches
    assert batch.record.accepted_count == 4
    door.land_observations(["wellbeing,2024,AUT,lifespan,5", "wellbeing,2024,AUT,doctors,5"])
    assert door.quarantined("observations") == [(3, "unknown indicator")]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Lifespan,3", "Lifespan,2", "lifespan has weight 2 instead of 3"),
        ("wellbeing,2024,doctors,health,医生,Doctors,1\n", "", "doctors is gone"),
        ("Doctors,1\n", "Doctors,1\nwellbeing,2024,new,health,x,X,1\n", "new is new"),
    ],
)
def test_a_framework_in_use_keeps_its_method(door: Door, old: str, new: str, said: str) -> None:
    door.land_foreign_index()
    door.land_observations(["wellbeing,2024,AUT,lifespan,5"])
    door.drop("frameworks", "changed.csv", FRAMEWORK.replace(old, new))
    (batch,) = door.land().batches
    assert batch.record.accepted_count == 0
    details = " ".join(detail for (detail,) in door.quarantined("frameworks", "detail"))
    assert said in details and "land a changed tree as a new edition" in details


def test_a_framework_in_use_may_be_landed_again_with_its_defaults_spelled_out(door: Door) -> None:
    door.drop("cities", "countries.csv", CITIES)
    header, *rows = (
        f"{row},{last}"
        for row, last in zip(FRAMEWORK.splitlines(), ["treatment", "", "", "", "winsorise", ""], strict=True)
    )
    door.drop("frameworks", "tree.csv", "\n".join([header, *(f"{row}" for row in rows)]) + "\n")
    assert [batch.record.quarantined_count for batch in door.land().batches] == [0, 0]
    door.land_observations(["wellbeing,2024,AUT,lifespan,5"])
    choices = (
        "direction,normalisation,scale_low,scale_high,denominator,imputation,treatment_limit,"
        "aggregation,missing_policy,min_coverage,weight_status"
    )
    inner = ",,,,,,,arithmetic,renormalise,0,assumed"
    leaf_choices = ("1,score,0,100,none,none,5,,,,assumed", "1,score,0,100,none,none,,,,,assumed")
    spelled = [f"{row},{given}" for row, given in zip(rows, [inner, inner, inner, *leaf_choices], strict=True)]
    spelled[-1] = spelled[-1].replace("Doctors,1,,", "Doctors,1,none,")
    door.drop("frameworks", "again.csv", "\n".join([f"{header},{choices}", *spelled]) + "\n")
    (batch,) = door.land().batches
    assert batch.record.quarantined_count == 0, door.quarantined("frameworks", "detail")


def test_a_framework_landed_before_a_column_was_added_still_counts(door: Door) -> None:
    door.land_foreign_index()
    (path,) = (door.settings.raw / "frameworks").glob("*.parquet")
    with duckdb.connect() as connection:
        ((metadata,),) = connection.execute(
            f"select decode(value) from parquet_kv_metadata('{path}') where decode(key) = '{METADATA_KEY}'"
        ).fetchall()
        rows = f"select * exclude (denominator, imputation, treatment, treatment_limit) from '{path}'"
        copy_to_parquet(connection, rows, path.with_suffix(".old"), {METADATA_KEY: metadata})
    path.with_suffix(".old").replace(path)
    # The checksums of landed files are younger than that column was; a home without them takes its files up once.
    (door.settings.home / "landed.json").unlink()
    outcome = door.land_observations(["wellbeing,2024,AUT,lifespan,5"])
    assert [batch.record.accepted_count for batch in outcome.batches] == [1]
    door.drop("frameworks", "changed.csv", FRAMEWORK.replace("Lifespan,3", "Lifespan,2"))
    (batch,) = door.land().batches
    assert batch.reasons["framework in use"] == 1


def test_names_of_a_framework_in_use_may_be_mended(door: Door) -> None:
    door.land_foreign_index()
    door.land_observations(["wellbeing,2024,AUT,lifespan,5"])
    door.drop("frameworks", "renamed.csv", FRAMEWORK.replace("Lifespan", "Life expectancy"))
    (batch,) = door.land().batches
    assert batch.record.quarantined_count == 0


def test_the_framework_of_the_report_is_in_use(door: Door) -> None:
    rows = FRAMEWORK.replace("wellbeing,2024", "medical_digital,2020")
    door.drop("frameworks", "usurper.csv", rows)
    (batch,) = door.land().batches
    assert batch.record.accepted_count == 0
    assert batch.reasons["framework in use"] >= 1


def test_observations_may_land_in_the_same_run_as_their_cities_and_framework(door: Door) -> None:
    door.drop("observations", "first.csv", OBSERVATIONS + "wellbeing,2024,AUT,lifespan,5\n")
    door.drop("frameworks", "then.csv", FRAMEWORK)
    door.drop("cities", "last.csv", "city_code,name_zh,name_en\nAUT,奥地利,Austria\n")
    assert [batch.record.quarantined_count for batch in door.land().batches] == [0, 0, 0]
