"""The proofs that run long are themselves right: what they count, what they would call a fault, and their page."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest
from editions_home import EditionsHome
from support import copy_home

from city_index.errors import CityIndexError
from reliability import load, offline, page, soak
from reliability.scratch import ScratchHome
from reliability.slopes import slope


def test_a_section_of_the_page_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    target = tmp_path / "page.md"
    target.write_text("a\n<!-- x -->\nold\n<!-- end of x -->\nb\n", encoding="utf-8")
    page.write_section("x", "new\n", target)
    assert target.read_text(encoding="utf-8") == "a\n<!-- x -->\nnew\n<!-- end of x -->\nb\n"
    with pytest.raises(CityIndexError, match="no section"):
        page.write_section("y", "new", target)
    assert "new" in target.read_text(encoding="utf-8")


def test_every_section_of_the_page_is_between_marks() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    for name in ("kills", "faults", "load", "soak", "fuzz", "offline"):
        assert text.count(f"<!-- {name} -->\n") == text.count(f"<!-- end of {name} -->\n") == 1


def test_a_table_aligns_numbers_and_keeps_bars_of_its_cells() -> None:
    assert page.table(("a", "b"), [("x|y", 1234)]) == "| a | b |\n|---|---:|\n| x\\|y | 1,234 |"


@pytest.mark.parametrize(
    ("step", "is_flat"), [(0.0, True), (-0.01, True), (0.0004, True), (0.001, False), (0.01, False)]
)
def test_a_figure_that_rises_more_than_a_twentieth_in_a_hundred_nights_is_not_flat(step: float, is_flat: bool) -> None:
    noise = np.random.default_rng(1).normal(0, 0.002, 150)
    found = slope(list(100 * (1 + step * np.arange(150) + noise)))
    assert found.is_flat is is_flat
    assert found.low <= found.rise <= found.high
    if step >= 0.001:
        assert found.rise > 0.05


def test_noise_alone_is_flat_and_a_figure_that_appears_is_not() -> None:
    assert slope(list(np.random.default_rng(2).normal(100, 20, 150))).is_flat
    assert slope([0.0] * 50).is_flat
    assert not slope([0.0] * 90 + [5.0] * 40).is_flat
    with pytest.raises(ValueError, match="at least 3 nights"):
        slope([1.0, 2.0])


def test_every_night_of_a_soak_lands_something_else(tmp_path: Path) -> None:
    home = ScratchHome(tmp_path / "home")
    landed = {number: soak.ingest_for(home, number) for number in (5, 6, 7, 10)}
    shutil.rmtree(home.settings.landing)
    assert [len(landed[number]) for number in (5, 6, 7, 10)] == [2, 3, 3, 0]
    # The seventh night brings what the sixth brought: the folder that nobody emptied holds no file more.
    assert set(landed[7]) == set(landed[6])


def test_a_journal_of_nights_is_read_again(tmp_path: Path) -> None:
    sizes = dict.fromkeys((*soak._PARTS, "elsewhere"), 1_000_000)
    rising = [
        soak.Night(
            n, "published", 40.0 + n % 3, 50.0, 600_000_000 + n * 5_000_000, sizes, {"kept releases": 5, "files": 9}
        )
        for n in range(1, 61)
    ]
    (tmp_path / "nights.jsonl").write_text("".join(json.dumps(soak.asdict(night)) + "\n" for night in rising))
    read = list(soak.soak(ScratchHome(tmp_path / "home"), 60))
    assert read == rising
    found = soak.slopes(read, soak._JUDGED)
    assert [name for name, one in found.items() if not one.is_flat] == ["memory of the largest process"]
    assert "| memory of the largest process |" in soak.text_of(read) and "RISES" in soak.text_of(read)


@pytest.mark.skipif(bool(offline.tools_missing()), reason="needs Linux, root, strace and iproute2, and no other tracer")
def test_a_command_without_a_network_is_seen_to_try_one_and_only_then(tmp_path: Path) -> None:
    control = offline.without_network("control", [sys.executable, "-c", offline._CONTROL], tmp_path, {})
    assert sorted(control.outside) == ["192.0.2.1", "198.51.100.7", "2001:db8::1"]
    # A child that starts no program of its own is told by the command line of its parent.
    child = f"import os\nif os.fork() == 0:\n    exec({offline._CONTROL!r})\nelse:\n    os.wait()\n"
    forked = offline.without_network("forked", [sys.executable, "-c", child], tmp_path, {})
    # Whoever runs another program afterwards, or in a thread, is still told by the one that tried.
    other = f"{offline._CONTROL}\nimport os\nos.execvp('true', ['true'])\n"
    changed = offline.without_network("changed", [sys.executable, "-c", other], tmp_path, {})
    threaded = (
        f"import threading\nt = threading.Thread(target=exec, args=({offline._CONTROL!r}, {{}}))\nt.start()\nt.join()\n"
    )
    in_a_thread = offline.without_network("in a thread", [sys.executable, "-c", threaded], tmp_path, {})
    for found in (control, forked, changed, in_a_thread):
        ((command_line, times),) = found.by_command.items()
        assert command_line.startswith(sys.executable) and times == 3
    status = [sys.executable, "-m", "city_index", "status"]
    quiet = offline.without_network("status", status, tmp_path, {"CITY_INDEX_HOME": str(tmp_path / "home")})
    assert (quiet.exit_code, quiet.outside) == (0, {})
    assert quiet.programs >= 1


@pytest.mark.slow
def test_readers_see_one_release_each_while_releases_are_published(editions: EditionsHome, tmp_path: Path) -> None:
    home = ScratchHome(copy_home(editions.home, tmp_path / "home"))
    found = load.measure(home, load.SHORT, tmp_path, seed=3)
    assert (found.errors, found.mixed) == ([], [])
    assert found.publications == load.SHORT.rollbacks and found.releases_seen >= 2
    assert len(found.publishing) and len(found.quiet) and found.checked == 3 * found.reads
    assert "| errors | 0 |" in found.text().replace("---:", "---")


@pytest.mark.slow
def test_a_mixed_release_is_found_by_a_reader(editions: EditionsHome, tmp_path: Path) -> None:
    """What the proof rests on: a table that another release's database would hold is noticed."""
    home = ScratchHome(copy_home(editions.home, tmp_path / "home"))
    with duckdb.connect(str(home.database)) as connection:
        connection.execute("update fct_city_scores set total_score = total_score + 1 where total_rank = 1")
    found = load.measure(home, load.Form(readers=2, rollbacks=0, nights=0), tmp_path, seed=3)
    assert found.errors == []
    assert [sentence.split(": ")[1].split(" ")[0] for sentence in found.mixed] == ["fct_city_scores"] * len(found.mixed)
    assert found.mixed
