"""What takes long and has not changed is taken over from the build before; anything else is computed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas
import pytest
import scipy
from support import Published, city_index, copy_home, rows

from city_index.builds import Build, latest_build, mark_audited, mark_sound, start_build
from city_index.checksums import file_sha256
from city_index.earlier import FINGERPRINT, count_equal_editions, rows_of_database
from city_index.settings import PROJECT_DIRECTORY, Settings
from city_index.worlds import draws, editions, ranking, reuse, sensitivity, tree
from city_index.worlds.editions import EditionScores
from city_index.worlds.reuse import fingerprint, rows_of_editions
from city_index.worlds.tree import Scores, Tree

TYPES = {"edition": "str", "share": "float64", "next_city_code": "str", FINGERPRINT: "str"}

TREE = Tree.of(
    {"indicator_code": code, "parent_code": parent, "level": level, "weight": 1.0, "aggregation": "arithmetic"}
    | {"missing_policy": "renormalise", "min_coverage": None}
    for level, (code, parent) in enumerate([("total", None), ("p", "total"), ("s", "p"), ("t", "s")])
)


def edition_of(label: str = "2020", value: float = 50.0) -> EditionScores:
    scores = Scores(("a", "b"), np.array([[[value], [np.nan]]]))
    ranks = np.array([1, 0])
    return EditionScores(("x", label), 7, TREE, scores, scores, {"total": ranks, "p": ranks}, (ranks, ranks))


def test_equal_editions_have_one_fingerprint_and_a_bit_makes_another() -> None:
    base = fingerprint(edition_of(), [500])
    assert fingerprint(edition_of(), [500]) == base
    edition = edition_of()
    others = [
        (edition, [501]),
        (edition, []),
        (edition_of("2021"), [500]),
        (edition_of(value=np.nextafter(50.0, 51.0)), [500]),
        (dataclasses.replace(edition, seed=8), [500]),
        (dataclasses.replace(edition, tree=dataclasses.replace(TREE, weights=TREE.weights / 2)), [500]),
        (dataclasses.replace(edition, tree=dataclasses.replace(TREE, aggregations=TREE.aggregations + 1)), [500]),
        (dataclasses.replace(edition, published={"total": np.array([1, 0])}), [500]),
        (dataclasses.replace(edition, tiers=(np.array([1, 1]), np.array([1, 0]))), [500]),
        (dataclasses.replace(edition, published_scores=Scores(("a", "c"), edition.published_scores.values)), [500]),
    ]
    found = [fingerprint(*other) for other in others]
    assert len({base, *found}) == 1 + len(others)


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array([None])])
def test_what_nobody_knows_the_parts_of_has_no_fingerprint(value: Any) -> None:
    with pytest.raises(TypeError, match="no fingerprint"):
        fingerprint([value])


def _computed(edition: EditionScores) -> Iterator[dict[str, Any]]:
    for share, follows in ((0.1 + 0.2, "b"), (float("nan"), None)):
        yield {"edition": edition.key[1], "share": share, "next_city_code": follows}


def _never(edition: EditionScores) -> Iterator[dict[str, Any]]:
    raise AssertionError(f"{edition.key} was computed")


def _rows(
    path: Path | None, *editions: EditionScores, compute: Callable = _computed, parameters: tuple = (1,)
) -> pandas.DataFrame:
    with rows_of_database(path, "intermediate.rows") as earlier:
        return rows_of_editions(editions, compute, parameters, TYPES, earlier).reset_index(drop=True)


def _store(path: Path, rows: pandas.DataFrame) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema intermediate")
        connection.register("given", rows.assign(index_code="x"))
        connection.execute("create table intermediate.rows as from given")
        connection.execute("create table intermediate.others as select 1 as one")
        connection.execute("create view intermediate.seen as from intermediate.rows")


def test_rows_of_an_equal_edition_are_taken_over_to_the_last_bit(tmp_path: Path) -> None:
    path = tmp_path / "earlier.duckdb"
    first = _rows(path, edition_of(), edition_of("2021"))
    _store(path, first)
    assert _rows(path, edition_of("2021"), compute=_never).equals(first[2:].reset_index(drop=True))
    again = _rows(path, edition_of("2021"), edition_of(), compute=_never)
    assert list(again["edition"]) == ["2021", "2021", "2020", "2020"]
    with pytest.raises(AssertionError, match="was computed"):
        _rows(path, edition_of(value=51.0), compute=_never)
    with pytest.raises(AssertionError, match="was computed"):
        _rows(path, edition_of(), compute=_never, parameters=(2,))
    assert _rows(path, compute=_never).empty


def test_rows_of_other_code_are_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = {file_sha256(Path(module.__file__)) for module in (draws, editions, ranking, sensitivity, tree)}
    assert loaded < set(reuse._SOURCES) and {np.__version__, scipy.__version__} < set(reuse._SOURCES)
    path = tmp_path / "earlier.duckdb"
    _store(path, _rows(path, edition_of()))
    monkeypatch.setattr(reuse, "_SOURCES", ["other"])
    with pytest.raises(AssertionError, match="was computed"):
        _rows(path, edition_of(), compute=_never)


@pytest.mark.parametrize("content", [None, b"", b"no database" * 1000])
def test_without_an_earlier_build_that_can_be_read_all_is_computed(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "earlier.duckdb"
    if content is not None:
        path.write_bytes(content)
    for given in (path, None):
        assert list(_rows(given, edition_of())["edition"]) == ["2020", "2020"]
    duckdb.connect(str(tmp_path / "without.duckdb")).close()
    assert list(_rows(tmp_path / "without.duckdb", edition_of())["edition"]) == ["2020", "2020"]


def _not_to_the_end(build: Build) -> None:
    build.sound_database.unlink()


def _damaged_checksum(build: Build) -> None:
    build.sound_database.write_bytes(b"\xff")


def _other_database(build: Build) -> None:
    """As a run of single steps does, gates included."""
    with duckdb.connect(str(build.database)) as connection:
        connection.execute("update intermediate.rows set share = 7")
    mark_audited(build)


def _damaged_database(build: Build) -> None:
    build.database.write_bytes(b"rows!")
    mark_audited(build)
    mark_sound(build)


def _other_code(build: Build) -> None:
    description = build.folder / "build.json"
    description.write_text(json.dumps(json.loads(description.read_text()) | {"code_version": "1+abc"}))


def _cut_short(build: Build) -> None:
    (build.folder / "build.json").unlink()


@pytest.mark.parametrize(
    "change", [_not_to_the_end, _damaged_checksum, _other_database, _damaged_database, _other_code, _cut_short]
)
def test_only_a_build_of_the_same_code_that_went_through_is_taken_from(
    tmp_path: Path, change: Callable[[Build], None]
) -> None:
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=tmp_path)
    settings.warehouse.mkdir()

    def built(compute: Callable) -> Build:
        build = start_build(settings)
        assert not build.database.exists()
        _store(build.database, _rows(build.earlier_database, edition_of(), compute=compute))
        (build.dbt_target / "manifest.json").write_text("{}")
        mark_audited(build)
        mark_sound(build)
        return build

    first = built(_computed)
    assert count_equal_editions(first.database, first.earlier_database) == 0
    # What a killed run was copying is no more than in the way.
    for name in (".earlier.duckdb", ".earlier.duckdb.wal"):
        (settings.warehouse / name).write_bytes(b"half")
    second = built(_never)
    assert rows(second.earlier_database, "select count(*) from intermediate.rows") == [(2,)]
    assert rows(second.earlier_database, "select table_name from duckdb_tables()") == [("rows",)]
    assert count_equal_editions(second.database, second.earlier_database) == 1
    assert list(settings.warehouse.iterdir()) == [second.folder]
    assert sorted(path.name for path in second.folder.rglob("*.json")) == ["build.json", "manifest.json"]
    change(second)
    third = start_build(settings)
    assert sorted(path.name for path in third.folder.iterdir()) == ["build.json", "checks", "dbt"]
    assert list(third.dbt_target.iterdir()) == []


def test_a_night_takes_over_what_the_build_before_has_computed(published: Published, tmp_path: Path) -> None:
    """The earlier build is changed where a reader will see it, and its checksum with it."""
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=copy_home(published.home, tmp_path / "home"))
    build = latest_build(settings)
    edition = "index_code = 'medical_digital' and edition = '2020'"
    first = f"{edition} and scenario = 'weights' and rank = 1"
    with duckdb.connect(str(build.database)) as connection:
        connection.execute(f"update intermediate.int_rank_worlds set top10_share = 0.123 where {first}")
        connection.execute(f"update intermediate.int_rank_sensitivities set mean_rank_shift = 0.321 where {edition}")
    mark_audited(build)
    mark_sound(build)
    run = city_index("run", home=settings.home)
    assert run.returncode == 0, run.stderr
    assert "worlds of 2 editions as in the build before" in run.stdout
    database = settings.published_database
    assert rows(database, f"select distinct top10_share from fct_rank_intervals where {first}") == [(0.123,)]
    assert rows(database, f"select distinct mean_rank_shift from fct_sensitivity where {edition}") == [(0.321,)]
    again = latest_build(settings)
    assert not again.earlier_database.exists()
    for table in ("int_rank_worlds", "int_rank_sensitivities"):
        assert rows(again.database, f"select count(distinct {FINGERPRINT}) from intermediate.{table}") == [(2,)]
