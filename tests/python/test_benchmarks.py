"""The benchmarks' own parts: what they generate, what they hold equal, and how they tell what was measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import numpy
import pandas
import pytest

from benchmarks import __main__ as runner
from benchmarks import measuring
from benchmarks.generated import INDEX_CODE, GeneratedIndex, land
from benchmarks.measuring import (
    BYTES,
    GIB,
    KILLED,
    RATE,
    RATIO,
    SECONDS,
    SHARE,
    BrokenBenchmark,
    Figure,
    Findings,
    NotReached,
    Plan,
    Run,
    exponent_of_growth,
    in_turn,
    median_ratio,
    run,
)
from benchmarks.nightly_over_dbt import BETWEEN, stage_shares
from benchmarks.publishing_over_copy import percentile
from benchmarks.report import Outcome, chart, markdown, record, remember, write
from benchmarks.scoring import numpy_floor, pandas_peer
from benchmarks.scoring.agreement import demand_same_nodes, demand_same_tables
from benchmarks.scoring.duckdb_script import run_script
from benchmarks.scoring_over_script import SCORING_PATH, figures_of_size
from benchmarks.warehouse import Warehouse
from city_index.database import quoted
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


def table_of(figures: list[Figure]) -> list[str]:
    outcomes = [Outcome("name", "Title", Findings(figures), None, 1.0)]
    return markdown(record("1.2.3+abc", outcomes, is_short=False), outcomes).splitlines()


def figure(name: str, value: float | None, **given: object) -> Figure:
    return Figure(name, value, given.pop("unit", RATIO), **given)


GIVEN = [
    Outcome(
        "first",
        "One over another",
        Findings(
            [
                figure("met ratio", 1.5, target=2.0, stretch=1.2, reason="never said"),
                figure("missed | ratio", 3.25, target=2.0, reason="the slowest stage"),
                figure("memory", 3 * GIB, unit=BYTES, target=float(4 * GIB)),
                figure("share", 0.125, unit=SHARE),
                figure("rate", 1234567.0, unit=RATE),
                figure("short time", 0.0042, unit=SECONDS),
            ],
            {"ratios": [3.2, 3.3]},
        ),
        None,
        12.34,
    ),
    Outcome("second", "Broken things", None, "the sides differ", 1.0),
]


def test_the_table_names_met_and_missed_targets_and_why_and_what_is_broken() -> None:
    rows = markdown(record("1.2.3+abc", GIVEN, is_short=False), GIVEN).splitlines()
    assert "| met ratio | 1.50 | 2.00 (1.20) | met |" in rows
    assert "| missed \\| ratio | 3.25 | 2.00 | **missed**: the slowest stage |" in rows
    assert "| memory | 3.00 GiB | 4.00 GiB | met |" in rows
    assert "| share | 12 % |  |  |" in rows
    assert "| rate | 1,234,567 rows/s |  |  |" in rows
    assert "| short time | 4.2 ms |  |  |" in rows
    assert "Broken: the sides differ" in rows


def test_every_run_is_written_whole_and_remembered_in_one_line(tmp_path: Path) -> None:
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=tmp_path)
    for _run in range(2):
        run = record("1.2.3+abc", GIVEN, is_short=True)
        folder = write(settings, run, GIVEN)
        remember(settings, run)
    latest = json.loads((folder / "latest.json").read_text(encoding="utf-8"))
    assert latest == run
    assert latest["form"] == "short" and latest["code_version"] == "1.2.3+abc" and latest["machine"]["cores"] >= 1
    statuses = {each["name"]: each["status"] for each in latest["benchmarks"]["first"]["figures"]}
    assert statuses == {
        "met ratio": "met",
        "missed | ratio": "missed",
        "memory": "met",
        "share": "",
        "rate": "",
        "short time": "",
    }
    assert latest["benchmarks"]["second"]["fault"] == "the sides differ"
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(history) == 2
    assert history[0]["benchmarks"]["first"]["missed | ratio"] == 3.25
    assert history[0]["machine"] == latest["machine"] and history[0]["code_version"] == latest["code_version"]
    assert "the slowest stage" in (folder / "table.md").read_text(encoding="utf-8")


def test_the_chart_shows_every_ratio_with_its_target_and_no_other_figure() -> None:
    picture = ElementTree.fromstring(chart(GIVEN[0].figures))
    texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"met ratio", "missed | ratio", "1.50", "3.25"} <= set(texts)
    assert not {"memory", "share", "rate"} & set(texts)
    bars = [element for element in picture.iter("{http://www.w3.org/2000/svg}rect") if "height" in element.attrib][1:]
    assert len(bars) == 2 and bars[0].attrib["fill"] != bars[1].attrib["fill"]


def test_the_runner_ends_with_1_for_a_broken_benchmark_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CITY_INDEX_HOME", str(tmp_path))

    def found(name: str, _is_short: bool, _pairs: int | None) -> Outcome:
        return GIVEN[0 if name == "draws" else 1]

    monkeypatch.setattr(runner, "run_one", found)
    assert runner.main(["--only", "draws"]) == 0
    said = capsys.readouterr().out
    assert "**missed**: the slowest stage" in said and "1 targets missed" in said
    assert runner.main(["--only", "draws", "--only", "landing"]) == 1
    assert "broken: second" in capsys.readouterr().out
    assert len((tmp_path / "bench" / "history.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_a_benchmark_that_fails_is_broken_and_a_short_one_is_held_to_no_target(monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        TITLE = "Title"

        @staticmethod
        def measure(plan: Plan) -> Findings:
            if not plan.is_short:
                raise BrokenBenchmark("rows differ")
            assert plan.folder.is_dir()
            return GIVEN[0].findings

    monkeypatch.setattr(runner, "module_of", lambda _name: Module)
    assert runner.run_one("draws", False, None).fault == "rows differ"
    assert {each.status for each in runner.run_one("draws", True, None).figures} == {""}


def test_every_benchmark_has_a_title_and_a_line_in_the_readme() -> None:
    text = (PROJECT_DIRECTORY / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for name in runner.MODULES:
        module = runner.module_of(name)
        assert module.TITLE and callable(module.measure)
        assert f"`{name}`" in text


def test_a_process_is_measured_by_itself_and_not_by_what_started_it() -> None:
    ballast = bytearray(200 << 20)
    small = run([sys.executable, "-c", "print('said')"])
    large = run([sys.executable, "-c", "x = bytearray(300 << 20)"])
    assert len(ballast) == 200 << 20
    assert small.said == "said\n"
    assert small.peak_bytes < 150 << 20
    assert 300 << 20 < large.peak_bytes < 400 << 20
    with pytest.raises(BrokenBenchmark, match=r"ended with 3.*last words"):
        run([sys.executable, "-c", "print('last words'); raise SystemExit(3)"])


def test_sides_run_in_turn_and_pairs_give_the_ratios() -> None:
    order: list[str] = []
    found = in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b", "a", "b"] and found == {"a": [None, None], "b": [None, None]}
    assert median_ratio([2, 9, 4], [1, 3, 1]) == 3
    assert exponent_of_growth([10, 100, 1000], [1, 10, 100]) == 1
    assert exponent_of_growth([10, 100], [3, 300]) == 2
    assert percentile([5, 1, 4, 2, 3], 50) == 3 and percentile([5, 1, 4, 2, 3], 95) == 5


@pytest.mark.slow
def test_models_script_and_peers_give_the_same_tables_scores_and_ranks(tmp_path: Path) -> None:
    index = GeneratedIndex(cities=60, indicators=12, seed=3, missing_percent=20)
    settings = landed(tmp_path / "home", index)
    warehouse = Warehouse(settings)
    warehouse.build(SCORING_PATH)
    script = tmp_path / "script.duckdb"
    run_script(settings.raw, script)
    nodes = list(index.nodes())
    assert demand_same_tables(warehouse.database, script) == 60 * len(nodes) + 60

    frames = tmp_path / "frames.parquet"
    with duckdb.connect() as connection:
        observations = connection.execute(
            "select city_code, indicator_code, value from read_parquet($files)",
            {"files": [str(path) for path in RawStore(settings).files("observations")]},
        ).df()
        scored = pandas_peer.compute(observations, pandas.DataFrame(nodes))
        connection.register("scored", scored)
        connection.execute(f"copy (from scored) to {quoted(frames)} (format parquet)")
    demand_same_nodes(script, "pandas", frames)

    cities = sorted(set(observations["city_code"]))
    leaves = sorted(set(observations["indicator_code"]))
    values = numpy.full((len(leaves), len(cities)), numpy.nan)
    for city, leaf, value in observations.itertuples(index=False):
        values[leaves.index(leaf), cities.index(city)] = value
    observed = numpy_floor.Values(leaves, numpy.array(cities), values)
    codes, scores, ranks = numpy_floor.compute(observed, [{"direction": None, **node} for node in nodes])
    numpy_floor.write(tmp_path / "arrays", observed.cities, codes, scores, ranks)
    demand_same_nodes(script, "numpy", tmp_path / "arrays")

    with duckdb.connect(str(script)) as connection:
        empty = connection.execute(
            "select count(*) from fct_indicator_scores where level = 2 and score is null"
        ).fetchone()
        assert empty[0] > 0, "no parent is without children, so nothing was tried of it"
        connection.execute(
            "update fct_indicator_scores set rank = rank + 1 where indicator_code = 'total' and rank = 60"
        )
    for demand in (
        lambda: demand_same_nodes(script, "numpy", tmp_path / "arrays"),
        lambda: demand_same_nodes(script, "pandas", frames),
        lambda: demand_same_tables(warehouse.database, script),
    ):
        with pytest.raises(BrokenBenchmark):
            demand()


def test_a_side_that_runs_out_of_memory_or_time_is_told_from_one_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotReached, match="MemoryError"):
        run([sys.executable, "-c", "raise MemoryError"])
    with pytest.raises(NotReached, match=f"ended with {KILLED}"):
        run([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
    monkeypatch.setattr(measuring, "LONGEST_SECONDS", 0.5)
    with pytest.raises(NotReached, match="took more than"):
        run([sys.executable, "-c", "import time; time.sleep(600)"])
    missed = figure("ratio", None, target=2.0, reason="out of memory")
    assert missed.status == "missed"
    assert "| ratio | not reached | 2.00 | **missed**: out of memory |" in table_of([missed])
    assert "ratio" not in chart([missed, figure("other", 1.0)]).split("</title>")[1].replace("Ratios", "")


def test_the_stages_of_nights_and_what_lies_between_them_make_up_the_whole() -> None:
    said = "raw gate: 30 checks passed (1.0 s)\ndbt build: 200 nodes (5.0 s)\nPublished release (x)\n"
    shares = stage_shares([Run(10.0, 9.0, 1, said), Run(20.0, 9.0, 1, said), Run(8.0, 9.0, 1, said)])
    assert shares == {"raw gate": 0.1, "dbt build": 0.5, BETWEEN: pytest.approx(0.4)}


def test_what_dbt_takes_for_any_size_is_told_apart_and_a_size_lost_in_it_gives_no_second_ratio() -> None:
    sides = {"models": [Run(30.0, 40.0, 2 * GIB, "")], "script": [Run(3.0, 4.0, GIB, "")]}
    shares = {"fct_indicator_scores": 0.5, "int_tertiary_scores": 0.25}
    found = figures_of_size(150_000, sides, {"models": 12.0, "script": 1.0}, shares)
    by_name = {each.name.removesuffix(", 150,000 cities"): each for each in found}
    whole = by_name["models over script"]
    assert (whole.value, whole.status) == (10, "missed")
    assert "fct_indicator_scores 50 %" in whole.reason and "40%" in whole.reason
    assert by_name["models over script, both without what they take for 15 cities"].value == 9
    assert by_name["processor time of models over script"].value == 10
    assert by_name["memory of models"].status == "missed" and by_name["memory of script"].status == ""
    lost = figures_of_size(150_000, sides, {"models": 31.0, "script": 1.0}, shares)
    assert lost[1].value is None
