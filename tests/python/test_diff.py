"""``city-index diff``: what moved between two releases, effects that add up, and the reasons for them."""

from __future__ import annotations

import json
import math
import os
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from index_rows import ROOT, Row, Rows, node, observation, one_parent_index
from random_trees import random_index, random_surroundings
from support import Published, city_index, copy_home, rows
from warehouse import Warehouse

from city_index.cli.diff import diff
from city_index.comparison import effects
from city_index.comparison.compare import CityMove, Comparison, EditionComparison, compare
from city_index.comparison.tables import TABLES
from city_index.errors import CityIndexError, NothingPublishable, RebuildRunning, UsageError
from city_index.lock import rebuild_lock
from city_index.releases.assemble import DATABASE_NAME
from city_index.releases.manifest import Manifest, list_files, write_manifest
from city_index.settings import PROJECT_DIRECTORY, Settings

KEY = {"index_code": "i", "edition": "2021"}
CITIES = ("a", "b", "c")
COMPUTED = (
    "dim_editions",
    "dim_indicators",
    "dim_tiers",
    "dim_cities",
    "fct_city_scores",
    "fct_indicator_scores",
    "fct_indicator_values",
    "fct_corrections",
    "meta_batches",
)
NOTICE = {"notice_zh": "重建数据", "notice_en": "Reconstructed observations."}
# A batch that lands after the shipped rows.
BATCH = {"batch_id": "000001-x", "batch_number": "1", "file_name": "it's corrected.csv"}
BATCH_RECORD = {**BATCH, "kind": "observations", "received_count": "1", "accepted_count": "1", "quarantined_count": "0"}

Tables = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def warehouse(compiled: Path) -> Warehouse:
    return Warehouse(compiled, *COMPUTED)


@dataclass
class Home:
    """A home whose releases hold what the project's own SQL makes of rows that a test gives."""

    settings: Settings
    warehouse: Warehouse
    names: dict[str, str] = field(default_factory=dict)

    def compute(
        self,
        given: Rows,
        landed: Iterable[Row] = (),
        landed_statistics: Iterable[Row] = (),
        batches: Iterable[Row] = (),
    ) -> Tables:
        """The tables that a comparison reads."""
        codes = sorted({row["city_code"] for row in [*given.observations, *landed]})
        known = {row["city_code"] for row in given.cities}
        given.cities += [
            {"city_code": code, "name_zh": self.names.get(code, code), "name_en": code}
            for code in codes
            if code not in known
        ]
        arrived = {"observations": landed, "statistics": landed_statistics, "batches": batches}
        tables = self.warehouse.run_all(arrived, **vars(given))
        tables["rpt_city_index"] = [
            {**{name: row[name] for name in ("index_code", "edition", "city_code")}, **NOTICE}
            for row in tables["fct_city_scores"]
        ]
        return tables

    def keep(self, tables: Tables, code_version: str = "0.1.0+same", is_published: bool = True) -> str:
        """Keep a release of these tables, and publish it."""
        sequence = 1 + len(list(self.settings.releases.glob("*")))
        release_id = f"20210101T00000{sequence}Z-{sequence:08d}"
        folder = self.settings.releases / release_id
        folder.mkdir(parents=True)
        write_tables(folder / DATABASE_NAME, tables)
        manifest = Manifest(
            release_id=release_id,
            sequence=sequence,
            built_at_utc=f"2021-01-01T00:00:0{sequence}Z",
            code_version=code_version,
            input_hash=str(sequence),
            content_hash=str(sequence),
            duckdb_version=duckdb.__version__,
            storage_version="v1.0.0",
            notice="",
            checks={},
            tables={name: len(found) for name, found in tables.items()},
            files=list_files(folder),
        )
        write_manifest(folder, manifest)
        if is_published:
            self.settings.published.mkdir(exist_ok=True)
            (self.settings.published / DATABASE_NAME).write_bytes((folder / DATABASE_NAME).read_bytes())
            write_manifest(self.settings.published, manifest)
        return release_id

    def follow(self, before: Rows, after: Rows, **landed: Iterable[Row]) -> None:
        """Keep a release of some rows and then one of others."""
        self.keep(self.compute(before))
        self.keep(self.compute(after, **landed))


def write_tables(path: Path, tables: Tables) -> None:
    """A database of these tables, with the columns that a comparison knows."""
    known = {table.name: {**table.key, **table.columns} for table in TABLES}
    with duckdb.connect(str(path)) as connection:
        for name, found in tables.items():
            columns = {column: kind for column, kind in known[name].items() if not found or column in found[0]}
            connection.execute(f"create table {name} ({', '.join(f'{c} {k}' for c, k in columns.items())})")
            if found:
                connection.executemany(
                    f"insert into {name} values ({', '.join('?' * len(columns))})",
                    [[row[column] for column in columns] for row in found],
                )


@pytest.fixture
def home(tmp_path: Path, warehouse: Warehouse) -> Home:
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=tmp_path / "it's a home")
    return Home(settings, warehouse)


def index(values: dict[str, tuple[float | None, ...]], **leaves: Row) -> Rows:
    """An index of leaves below one secondary, with values of the cities a, b and c."""
    return one_parent_index("i", CITIES, {code: leaves.get(code, {}) for code in values}, values)


def moves_of(comparison: Comparison, edition: EditionComparison | None = None) -> dict[str, CityMove]:
    return {move.city_code: move for move in comparison.moves(edition or comparison.editions[0])}


def compared(home: Home, *names: str) -> tuple[Comparison, dict[str, CityMove]]:
    with compare(home.settings, *names) as comparison:
        return comparison, moves_of(comparison)


def demand_sums(move: CityMove) -> None:
    """The effects of a city add up to its change, and their causes too."""
    scale = max(1.0, abs(move.total_before), abs(move.total_after))
    for effect in move.effects:
        assert effect.score_effect + effect.weight_effect == pytest.approx(effect.contribution_change, abs=1e-9 * scale)
        assert effect.contribution_after - effect.contribution_before == effect.contribution_change
        assert (effect.score_cause is not None) == (effect.score_effect != 0)
        assert (effect.weight_cause is not None) == (effect.weight_effect != 0)
    parts = math.fsum(part for effect in move.effects for part in (effect.score_effect, effect.weight_effect))
    assert abs(parts - move.score_change) <= 1e-9 * scale
    assert abs(math.fsum(cause.points for cause in move.causes) - move.score_change) <= 1e-9 * scale
    assert abs(move.unexplained) <= 1e-9 * scale


def causes_of(move: CityMove) -> set[tuple[str, str]]:
    return {
        (effect.indicator_code, cause)
        for effect in move.effects
        for cause in (effect.score_cause, effect.weight_cause)
        if cause is not None
    }


def test_a_correction_is_named_with_batch_file_and_values(home: Home) -> None:
    given = index({"x": (10, 20, 30), "y": (50, 50, 50)})
    home.follow(
        given,
        index({"x": (10, 20, 30), "y": (50, 50, 50)}),
        landed=[{**observation(KEY, "a", "x", 40), **BATCH}],
        batches=[BATCH_RECORD],
    )
    comparison, moves = compared(home)
    (effect,) = moves["a"].effects
    assert (effect.indicator_code, effect.score_cause, effect.weight_cause) == ("x", effects.CORRECTED, None)
    assert (effect.value_before, effect.value_after) == (10, 40)
    assert (effect.batch_id, effect.file_name) == (BATCH["batch_id"], BATCH["file_name"])
    # Half the weight of the total: 30 points more of the value are 15 of the total.
    assert (effect.score_effect, effect.weight_before, effect.weight_after) == (15, 0.5, 0.5)
    assert (moves["a"].total_before, moves["a"].total_after, moves["a"].rank_before, moves["a"].rank_after) == (
        30,
        45,
        3,
        1,
    )
    assert {moves[city].reason for city in ("b", "c")} == {"others moved"}
    assert {moves[city].effects for city in ("b", "c")} == {()}
    assert [(batch.file_name, batch.has_come) for batch in comparison.batches] == [(BATCH["file_name"], True)]
    assert [(each.kind, each.has_come) for each in comparison.corrections] == [("observations", True)]
    demand_sums(moves["a"])
    # And the other way round it is taken back.
    _back, moves = compared(home, "published", "previous")
    assert causes_of(moves["a"]) == {("x", effects.CORRECTION_UNDONE)}
    assert moves["a"].effects[0].batch_id == BATCH["batch_id"] and moves["a"].score_change == -15


def test_a_changed_weight_moves_by_weight_alone(home: Home) -> None:
    values = {"x": (10.0, 20.0, 30.0), "y": (50.0, 0.0, 70.0)}
    after = index(values)
    after.frameworks = [{**row, "weight": "3.0"} if row["indicator_code"] == "x" else row for row in after.frameworks]
    home.follow(index(values), after)
    comparison, moves = compared(home)
    assert {choice.code for choice in comparison.editions[0].framework_choices if choice.column == "weight"} == {
        "x",
        "y",
    }
    for move in moves.values():
        assert all(effect.score_effect == 0 for effect in move.effects)
        demand_sums(move)
    assert causes_of(moves["a"]) == {("x", effects.WEIGHT_CHANGED), ("y", effects.WEIGHT_CHANGED)}
    # The shares go from a half each to three quarters and a quarter; a score of 0 is worth nothing under any weight.
    assert {effect.indicator_code: effect.weight_effect for effect in moves["a"].effects} == {"x": 2.5, "y": -12.5}
    assert {effect.indicator_code: effect.weight_effect for effect in moves["b"].effects} == {"x": 5}


def test_a_weight_above_and_a_score_share_their_part_by_the_midpoint(home: Home) -> None:
    def tree(weight: float, value: float) -> Rows:
        inner = [node(KEY, ROOT, ""), node(KEY, "p", ROOT, weight), node(KEY, "q", ROOT)]
        inner += [node(KEY, "s", "p"), node(KEY, "t", "q"), node(KEY, "x", "s"), node(KEY, "y", "t")]
        return Rows(inner, [observation(KEY, "a", "x", value), observation(KEY, "a", "y", 10)])

    home.follow(tree(1, 20), tree(3, 60))
    _comparison, moves = compared(home)
    found = {effect.indicator_code: effect for effect in moves["a"].effects}
    # x: weight 0.5 -> 0.75, score 20 -> 60: 0.625 * 40 = 25 by the score, 40 * 0.25 = 10 by the weight.
    assert (found["x"].score_effect, found["x"].weight_effect) == (25, 10)
    assert (found["x"].score_cause, found["x"].weight_cause) == (effects.VALUE_CHANGED, effects.WEIGHT_CHANGED)
    assert (found["y"].score_effect, found["y"].weight_effect) == (0, -2.5)
    demand_sums(moves["a"])


def test_a_relative_normalisation_moves_the_other_cities(home: Home) -> None:
    leaf = {"normalisation": "min_max"}
    home.follow(index({"x": (10, 20, 30)}, x=leaf), index({"x": (10, 20, 50)}, x=leaf))
    _comparison, moves = compared(home)
    assert causes_of(moves["b"]) == {("x", effects.OTHER_CITIES)}
    assert moves["b"].effects[0].note == "its scale moved"
    # The best and the worst keep their scores under any scale.
    assert set(moves) == {"b"}
    demand_sums(moves["b"])


def test_an_estimate_moves_with_the_others(home: Home) -> None:
    leaf = {"imputation": "mean"}
    values = {"x": (10, 20, None), "y": (1, 1, 1)}
    home.follow(index(values, x=leaf), index({**values, "x": (10, 40, None)}, x=leaf))
    _comparison, moves = compared(home)
    assert causes_of(moves["c"]) == {("x", effects.OTHER_CITIES)}
    assert moves["c"].effects[0].note == "its estimate moved"
    assert causes_of(moves["b"]) == {("x", effects.VALUE_CHANGED)}


def test_a_corrected_denominator_is_named_and_is_no_change_of_the_value(home: Home) -> None:
    leaf = {"normalisation": "goalposts", "norm_low": "0", "norm_high": "10", "denominator": "people"}
    people = {"year": "2020", "statistic_code": "people", "unit": "1"}

    def given() -> Rows:
        known = index({"x": (10, 20, 30)}, x=leaf)
        known.statistics = [{**people, "city_code": city, "value": "10"} for city in CITIES]
        return known

    home.follow(
        given(),
        given(),
        landed_statistics=[{**people, "city_code": "a", "value": "5", **BATCH}],
        batches=[{**BATCH_RECORD, "kind": "statistics"}],
    )
    _comparison, moves = compared(home)
    assert causes_of(moves["a"]) == {("x", effects.DENOMINATOR_CHANGED)}
    (effect,) = moves["a"].effects
    # 10 / 10 of 10 are 10 points, 10 / 5 are 20.
    assert (effect.score_effect, effect.value_before, effect.value_after) == (10, 10, 10)
    assert (effect.file_name, effect.note) == (BATCH["file_name"], "denominator 10.0 -> 5.0")


def test_a_geometric_mean_shares_out_anew(home: Home) -> None:
    def tree(values: tuple[float, ...]) -> Rows:
        given = index({"x": (10, 20, 30), "y": values})
        geometric = {"aggregation": "geometric"}
        given.frameworks = [row | (geometric if row["indicator_code"] == "s" else {}) for row in given.frameworks]
        return given

    home.follow(tree((50, 50, 50)), tree((80, 50, 50)))
    _comparison, moves = compared(home)
    assert causes_of(moves["a"]) == {
        ("x", effects.SHARED_ANEW),
        ("y", effects.VALUE_CHANGED),
        ("y", effects.SHARED_ANEW),
    }
    assert {effect.contribution_method for effect in moves["a"].effects} == {"log_share"}
    demand_sums(moves["a"])


def test_what_comes_and_goes_is_told_from_what_it_leaves_to_the_others(home: Home) -> None:
    home.follow(
        index({"x": (10, 20, 30), "y": (50, None, 70)}),
        index({"x": (10, 20, 30), "y": (50, 60, None)}),
    )
    _comparison, moves = compared(home)
    assert causes_of(moves["b"]) == {("y", effects.NEW_OBSERVATION), ("x", effects.COVERAGE)}
    assert causes_of(moves["c"]) == {("y", effects.WITHDRAWN), ("x", effects.COVERAGE)}
    assert (moves["b"].coverage_before, moves["b"].coverage_after) == (0.5, 1)
    assert "a" not in moves or moves["a"].reason == "others moved"
    for city in ("b", "c"):
        demand_sums(moves[city])


def test_another_method_is_called_that(home: Home) -> None:
    norms = {"normalisation": "goalposts", "norm_low": "0"}
    values = {"x": (10, 20, 30)}
    home.follow(
        index(values, x={**norms, "norm_high": "100"}),
        index(values, x={**norms, "norm_high": "50"}),
    )
    comparison, moves = compared(home)
    assert {causes for move in moves.values() for causes in causes_of(move)} == {("x", effects.METHOD)}
    (choice,) = comparison.editions[0].framework_choices
    assert (choice.code, choice.column, float(choice.before), float(choice.after)) == ("x", "norm_high", 100, 50)


def test_indicators_cities_editions_and_tiers_that_come_or_go_are_named(home: Home) -> None:
    before = index({"x": (10, 20, 30), "old": (1, 2, 3)})
    before.tiers = [{"index_code": "i", "tier_code": "t", "tier_ordinal": "1", "lower_bound_score": "15"}]
    after = index({"x": (10, 20, None), "new": (5, 6, None)})
    after.tiers = [{"index_code": "i", "tier_code": "t", "tier_ordinal": "1", "lower_bound_score": "5"}]
    after.observations += [observation(KEY, "d", "x", 99)]
    other = one_parent_index("other", CITIES, {"x": {}}, {"x": (1, 2, 3)})
    after.add(other)
    home.follow(before, after)
    with compare(home.settings) as comparison:
        edition, came = comparison.editions
        moves = moves_of(comparison, edition)
        assert list(comparison.moves(came)) == []
    assert (came.index_code, came.is_before, came.is_after) == ("other", False, True)
    assert {(each.indicator_code, each.has_come) for each in edition.indicators} == {("new", True), ("old", False)}
    assert (edition.movement.came_count, edition.movement.went_count) == (1, 1)
    assert (moves["d"].reason, moves["c"].reason) == ("city came", "city went")
    assert moves["d"].score_change is None and moves["d"].effects == () and moves["d"].unexplained is None
    assert causes_of(moves["a"]) >= {("new", effects.INDICATOR_CAME), ("old", effects.INDICATOR_WENT)}
    assert [(each.code, each.column) for each in edition.tier_choices] == [("t", "lower_bound_score")]
    demand_sums(moves["a"])


def test_a_total_that_comes_or_goes_has_no_change(home: Home) -> None:
    def with_policy(policy: str) -> Rows:
        given = index({"x": (10, 20, 30), "y": (50, None, 70)})
        given.frameworks = [
            {**row, "missing_policy": policy} if row["indicator_code"] == "s" else row for row in given.frameworks
        ]
        return given

    home.follow(with_policy("renormalise"), with_policy("fail"))
    _comparison, moves = compared(home)
    assert (moves["b"].reason, moves["b"].score_change, moves["b"].effects) == ("has no total any more", None, ())
    _comparison, moves = compared(home, "published", "previous")
    assert moves["b"].reason == "has a total now"


@pytest.mark.parametrize("seed", range(6))
def test_effects_add_up_on_random_trees_of_every_method(home: Home, seed: int) -> None:
    rng = random.Random(seed)
    before, pool = random_surroundings(rng, [f"c{number}" for number in range(9)])
    for number in range(4):
        before.add(random_index(rng, f"r{number}", pool))
    after = Rows(**{name: [dict(row) for row in found] for name, found in vars(before).items()})
    after.observations = [
        {**row, "value": repr(float(row["value"]) * rng.uniform(0.6, 1))} if rng.random() < 0.3 else row
        for row in after.observations
        if rng.random() < 0.95
    ]
    after.frameworks = [
        {**row, "weight": repr(float(row["weight"]) * rng.uniform(0.5, 2))} if rng.random() < 0.3 else row
        for row in after.frameworks
    ]
    home.follow(before, after)
    with compare(home.settings) as comparison:
        moves = [move for edition in comparison.editions for move in comparison.moves(edition)]
    told = [move for move in moves if move.score_change is not None]
    assert len(told) > 10
    for move in told:
        demand_sums(move)
    # Every part of the change of every city has a cause, since the same code made both.
    assert effects.NOT_KNOWN not in {cause for move in told for _code, cause in causes_of(move)}


def test_in_parts_comes_out_what_comes_out_at_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(7)
    before, pool = random_surroundings(rng, [f"c{number}" for number in range(9)])
    before.add(random_index(rng, "r", pool))
    after = Rows(**{name: [dict(row) for row in found] for name, found in vars(before).items()})
    after.observations = [{**row, "value": repr(float(row["value"]) * 0.9)} for row in after.observations[3:]]
    home.follow(before, after)
    _comparison, at_once = compared(home)
    monkeypatch.setattr(effects, "_ROWS_AT_ONCE", 7)
    assert compared(home)[1] == at_once and at_once


HOSTILE_NAMES = ('it\'s "quoted"', "[bold red]markup[/] :smile:", "new\nline\x1b[31m")


def test_hostile_names_are_printed_as_they_are_and_on_one_line(home: Home) -> None:
    home.names = dict(zip(CITIES, HOSTILE_NAMES, strict=True))
    home.follow(index({"x": (10, 20, 30)}), index({"x": (11, 22, 33)}))
    done = CliRunner().invoke(diff, [], env={"CITY_INDEX_HOME": str(home.settings.home)})
    assert done.exit_code == 0, done.output
    assert 'it\'s "quoted" a (a): total' in done.output
    assert "[bold red]markup[/] :smile: b (b): total" in done.output
    assert r"new\nline\x1b[31m c (c): total" in done.output
    assert "\x1b" not in done.output
    assert "Reconstructed observations." in done.output and "重建数据" in done.output
    # A name is no SQL either.
    done = CliRunner().invoke(diff, ["--city", HOSTILE_NAMES[0]], env={"CITY_INDEX_HOME": str(home.settings.home)})
    assert done.exit_code == 0 and "x x x, value 10 -> 11" in done.output and "b (b)" not in done.output


def no_constant(name: str) -> float:
    raise AssertionError(f"{name} is no JSON")


def test_json_is_strict_and_whole(home: Home) -> None:
    tables = home.compute(index({"x": (10, 20, 30)}))
    home.keep(tables)
    after = home.compute(index({"x": (11, 22, 33)}))
    # A damaged figure is no reason to write what no reader of JSON takes.
    for row, total in zip(after["fct_city_scores"], (math.nan, math.inf, -math.inf), strict=True):
        row |= {"total_score": total, "total_rank": 9}
    home.keep(after)
    done = CliRunner().invoke(diff, ["--json", "--limit", "1"], env={"CITY_INDEX_HOME": str(home.settings.home)})
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout, parse_constant=no_constant)
    (edition,) = data["editions"]
    assert len(edition["cities"]) == 3 and str(home.settings.home) not in done.stdout
    assert edition["notices"] == ["重建数据", "Reconstructed observations."]


def damaged(tables: Tables, name: str, column: str | None = None) -> Tables:
    if column is None:
        return {table: found for table, found in tables.items() if table != name}
    without = [{key: value for key, value in row.items() if key != column} for row in tables[name]]
    return {**tables, name: without}


@pytest.mark.parametrize(
    ("table", "column", "said"),
    [
        ("fct_indicator_values", None, "table fct_indicator_values"),
        ("dim_tiers", None, "table dim_tiers"),
        ("rpt_city_index", None, "table rpt_city_index"),
        ("meta_batches", None, "table meta_batches"),
        ("fct_corrections", None, "table fct_corrections"),
        ("dim_cities", None, "table dim_cities"),
        ("dim_indicators", "treatment", "dim_indicators.treatment"),
        ("fct_indicator_scores", "contribution", "nothing can be said of why"),
        ("dim_indicators", "weight", None),
        ("fct_city_scores", None, None),
    ],
)
def test_a_release_that_lacks_a_table_or_column_is_compared_as_far_as_it_goes(
    home: Home, table: str, column: str | None, said: str | None
) -> None:
    before, after = (home.compute(index({"x": values})) for values in ((10, 20, 30), (11, 22, 33)))
    first = home.keep(damaged(before, table, column))
    home.keep(after)
    for names in ((), ("published", "previous")):
        if said is None:
            with pytest.raises(
                CityIndexError, match=f"release {first} cannot be compared: it has no whole table {table}"
            ):
                compared(home, *names)
            continue
        comparison, moves = compared(home, *names)
        assert any(said in remark for remark in comparison.remarks), comparison.remarks
        assert {abs(move.score_change) for move in moves.values()} == {1, 2, 3}
        # What one side lacks is no difference.
        assert comparison.editions[0].framework_choices == ()
        if table == "fct_indicator_values":
            assert {cause for move in moves.values() for cause in causes_of(move)} == {("x", effects.NOT_KNOWN)}
        elif column != "contribution":
            assert {cause for move in moves.values() for cause in causes_of(move)} == {("x", effects.VALUE_CHANGED)}


def test_which_releases_are_meant(home: Home) -> None:
    with pytest.raises(NothingPublishable, match="nothing is published"):
        compared(home)
    tables = [home.compute(index({"x": values})) for values in ((1, 2, 3), (2, 3, 4), (3, 4, 5))]
    first = home.keep(tables[0])
    with pytest.raises(NothingPublishable, match="no release is kept from before it"):
        compared(home)
    second, third = home.keep(tables[1]), home.keep(tables[2])

    def chosen(*names: str) -> tuple[str | None, str | None]:
        comparison, _moves = compared(home, *names)
        return comparison.before.release_id, comparison.after.release_id

    assert chosen() == (second, third)
    assert chosen(first) == (first, third)
    assert chosen(first[:16], second) == (first, second)
    assert chosen("published", "previous") == (third, second)
    for names, said in (
        (("2021",), "begins several releases"),
        (("202",), "no release '202' is kept"),
        (("x'; --", "published"), f"there are {first}, {second}, {third}"),
        (("published",), "both"),
        (("build",), "no build waits"),
        ((third, "published"), "both"),
    ):
        with pytest.raises(UsageError, match=said):
            compared(home, *names)
    with (home.settings.releases / second / DATABASE_NAME).open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(CityIndexError, match=f"release {second} is damaged"):
        compared(home)
    # Of the published release either copy will do.
    os.truncate(home.settings.releases / third / DATABASE_NAME, 10)
    assert chosen(first) == (first, third)


def test_the_build_that_waits_is_compared_unless_it_is_being_written(home: Home) -> None:
    first = home.keep(home.compute(index({"x": (1, 2, 3)})))
    second = home.keep(home.compute(index({"x": (2, 3, 4)})))
    folder = home.settings.warehouse / "build"
    (folder / "checks").mkdir(parents=True)
    description = {"build_id": "20210102T000000Z-abcdef", "started_at_utc": "2021-01-02T00:00:00"}
    (folder / "build.json").write_text(json.dumps({**description, "code_version": "0.1.0+new", "input_hash": "n"}))

    # A build that ended early is none to compare with; by name it is an error.
    comparison, _moves = compared(home)
    assert (comparison.before.release_id, comparison.after.release_id) == (first, second)
    assert "has no database" in comparison.remarks[0]
    with pytest.raises(CityIndexError, match="has no database"):
        compared(home, "build")

    tables = home.compute(index({"x": (2, 3, 9)}))
    write_tables(folder / "build.duckdb", tables)
    refusal = {"name": "totals keep still", "kind": "gx_marts", "asset": "fct_city_scores", "status": "failed"}
    refusal |= {"severity": "critical", "observed": "1 moved", "threshold": "0"}
    (folder / "checks" / "marts.json").write_text(json.dumps([refusal]))
    for names in ((), ("build",), ("published", "build")):
        comparison, moves = compared(home, *names)
        assert (comparison.before.release_id, comparison.after.release_id) == (second, None)
        assert (set(moves), moves["c"].score_change) == ({"c"}, 5)
        assert "totals keep still" in comparison.after.refusals[0]
    shown = CliRunner().invoke(diff, [], env={"CITY_INDEX_HOME": str(home.settings.home)}).output
    assert "build 20210102T000000Z-abcdef was refused: fct_city_scores: totals keep still" in shown

    with rebuild_lock(home.settings.lock_file, "a test"):
        assert compared(home)[0].after.release_id == second
        with pytest.raises(RebuildRunning, match="the build is being written"):
            compared(home, "build")


def test_a_release_compared_with_an_equal_one_says_that_nothing_moved(home: Home) -> None:
    tables = home.compute(index({"x": (1, 2, 3)}))
    home.keep(tables)
    home.keep(tables)
    comparison, moves = compared(home)
    assert moves == {} and comparison.editions[0].causes == () and comparison.remarks
    done = CliRunner().invoke(diff, [], env={"CITY_INDEX_HOME": str(home.settings.home)})
    assert "nothing moved: 3 cities" in done.output


@pytest.mark.slow
def test_editors_see_what_a_landed_correction_does(published: Published, tmp_path: Path) -> None:
    home = copy_home(published.home, tmp_path / "home")
    ((old,),) = rows(
        published.database,
        "select observed_value from fct_indicator_values where edition = '2020' and city_code = 'wuhan' "
        "and indicator_code = 'infra_platform_population_db'",
    )
    new = 0 if old else 100
    correction = tmp_path / "wuhan.csv"
    correction.write_text(
        "index_code,edition,city_code,indicator_code,value\n"
        f"medical_digital,2020,wuhan,infra_platform_population_db,{new}\n",
        encoding="utf-8",
    )
    assert city_index("diff", home=home).returncode == 3
    assert city_index("ingest", str(correction), home=home).returncode == 0
    run = city_index("run", home=home)
    assert run.returncode == 0, run.stderr
    done = city_index("diff", "--json", home=home)
    assert done.returncode == 0, done.stderr
    (edition, demonstration) = json.loads(done.stdout)["editions"]
    assert demonstration["cities"] == []
    (wuhan,) = [city for city in edition["cities"] if city["effects"]]
    (effect,) = wuhan["effects"]
    assert (wuhan["city_code"], effect["score_cause"], effect["file_name"]) == ("wuhan", "corrected", "wuhan.csv")
    assert (effect["value_before"], effect["value_after"]) == (old, new)
    assert abs(effect["score_effect"] - wuhan["score_change"]) <= 1e-9
    printed = city_index("diff", "previous", "published", "--city", "武汉", home=home)
    assert printed.returncode == 0, printed.stderr
    assert "wuhan.csv" in printed.stdout and "corrected: infra_platform_population_db" in printed.stdout
    assert "econstructed observations, not the authors' data." in printed.stdout
    assert "Some weights are assumed" in printed.stdout and "Assessment published by" in printed.stdout
    # After a rollback the build that waits is the newer one: what publishing it again would change.
    before = json.loads(done.stdout)["before"]["release_id"]
    assert city_index("rollback", before, home=home).returncode == 0
    waiting = json.loads(city_index("diff", "--json", home=home).stdout)
    assert (waiting["before"]["release_id"], waiting["after"]["release_id"]) == (before, None)
    assert [city["city_code"] for city in waiting["editions"][0]["cities"] if city["effects"]] == ["wuhan"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["x"], 3, "nothing is published"),
        (["a", "b", "c"], 2, "unexpected extra argument"),
        (["--limit", "0"], 2, "--limit"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, arguments: list[str], exit_code: int, said: str) -> None:
    done = city_index("diff", *arguments, home=tmp_path)
    assert done.returncode == exit_code, done.stderr
    assert said in done.stderr
    assert done.stderr.startswith("city-index: ") and len(done.stderr.splitlines()) == 1 and done.stdout == ""
    assert list(tmp_path.iterdir()) == []
