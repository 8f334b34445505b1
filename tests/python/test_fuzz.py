"""Hostile input in its short form: the same cases each time. `make fuzz` tries many more.

What a case must be refused for, or taken as, stands in ``reliability.fuzz``; what once broke, in ``test_fuzz_found``.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from support import Published, copy_home

from city_index.contracts import KINDS
from reliability.fuzz import arguments, counts, environments, promises, trees
from reliability.fuzz.landings import SECONDS, hostile_files, try_landings
from reliability.fuzz.mutations import special_files, undamaged_files
from reliability.fuzz.tables import HostileFile
from reliability.fuzz.tally import ACCEPTED, Tally
from reliability.fuzz.worker import Worker

SEED = 20201231


def assert_kept(*tallies: Tally, least: int) -> None:
    """So many cases were tried, some were taken, and no promise was broken."""
    assert [violation.sentence() for tally in tallies for violation in tally.violations] == []
    assert sum(tally.cases for tally in tallies) >= least
    assert sum(tally.fates[ACCEPTED] for tally in tallies) > 0


def landed(tmp_path: Path, files: list[HostileFile]) -> list[Tally]:
    tallies = {kind: Tally(kind, tmp_path / "findings") for kind in KINDS}
    try_landings(tallies, tmp_path / "homes", files)
    return list(tallies.values())


@pytest.mark.slow
def test_hostile_files_are_taken_or_refused_and_every_row_is_accounted_for(tmp_path: Path) -> None:
    tallies = landed(tmp_path, list(hostile_files(90, SEED)))
    assert_kept(*tallies, least=90)
    assert sum(tally.figures["counted"] for tally in tallies) > 10
    assert sum(tally.figures["rows quarantined"] for tally in tallies) > 20


@pytest.mark.slow
def test_immense_files_are_taken_or_refused(tmp_path: Path) -> None:
    files = [file for file in special_files(["cities"]) if len(file.content) < 1 << 18]
    assert_kept(*landed(tmp_path, files), least=20)


@pytest.mark.slow
def test_the_corpus_that_is_damaged_lands_undamaged(tmp_path: Path) -> None:
    files = undamaged_files()
    tallies = landed(tmp_path, files)
    assert_kept(*tallies, least=len(files))
    assert sum(tally.fates[ACCEPTED] for tally in tallies) == len(files)
    assert sum(tally.figures["rows quarantined"] for tally in tallies) == 0


@pytest.mark.slow
def test_a_framework_is_taken_exactly_if_it_is_a_tree_that_can_be_computed(tmp_path: Path) -> None:
    tally = Tally(trees.KIND, tmp_path / "findings")
    trees.try_trees(tally, tmp_path / "homes", cases=20, method_step=211, seed_number=SEED, is_long=False)
    assert_kept(tally, least=35)


def test_settings_are_read_or_refused_by_name(tmp_path: Path) -> None:
    tally = Tally(environments.KIND, tmp_path / "findings")
    environments.try_settings(tally, tmp_path / "work", cases=200, command_cases=0, seed_number=SEED)
    assert_kept(tally, least=500)


@pytest.mark.slow
def test_commands_in_hostile_surroundings_keep_their_promises(tmp_path: Path) -> None:
    tally = Tally(environments.KIND, tmp_path / "findings")
    environments.try_settings(tally, tmp_path / "work", cases=1, command_cases=30, seed_number=SEED)
    assert tally.figures["commands"] >= 30
    assert_kept(tally, least=500)


@pytest.mark.slow
def test_commands_with_hostile_arguments_keep_their_promises(tmp_path: Path, published: Published) -> None:
    home = copy_home(published.home, tmp_path / "home")
    tally = Tally(arguments.KIND, tmp_path / "findings")
    arguments.try_arguments(tally, home, tmp_path / "work", cases=30, seed_number=SEED, file_step=9)
    assert_kept(tally, least=50)


def test_a_child_that_hangs_or_fails_is_told_from_one_that_answers(tmp_path: Path) -> None:
    with Worker() as worker:
        line = {"arguments": ["--version"], "environ": {"CITY_INDEX_HOME": str(tmp_path)}, "folder": str(tmp_path)}
        assert worker.ask("command", SECONDS, **line).said["exit_code"] == 0
        os.kill(worker.pid, signal.SIGSTOP)
        hung = worker.ask("command", 0.01, **line)
        assert hung.said is None
        assert "hung" in hung.problem
        failed = worker.ask("no such work", SECONDS)
        assert failed.said is None
        assert "KeyError" in failed.problem


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"exit_code": 2, "err": "city-index: no\n"}, None),
        ({"exit_code": 2, "out": "Usage: x", "err": ""}, None),
        ({"exit_code": 0, "out": "x\n"}, None),
        ({"exit_code": 6, "err": "city-index: no\n"}, "exit code 6"),
        ({"exit_code": 1, "err": ""}, "0 lines on stderr"),
        ({"exit_code": 1, "err": "city-index: a\ncity-index: b\n"}, "2 lines on stderr"),
        ({"exit_code": 1, "err": "warning: a\n"}, "a line on stderr that is not the command's"),
        ({"exit_code": 1, "err": "city-index: unexpected: x\n"}, "an error that nobody foresaw"),
        ({"exit_code": 0, "err": "Traceback (most recent call last):\n"}, "a traceback"),
        ({"exit_code": 0, "out": "\x1b[31m"}, "a control character was printed"),
        ({"exit_code": 0, "raised": "ValueError"}, "an exception got out"),
    ],
)
def test_a_broken_promise_of_a_command_is_seen(said: dict, problem: str | None) -> None:
    assert promises.broken({"out": "", "err": "", "raised": None, **said}) == problem


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (b"a,b\n1,2\n", 1),
        (b'a,b\n"1\n1",2\n\n3,4', 2),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", 1),
        ("a\n城\n".encode("gb18030"), 1),
        (b"a\n", 0),
        (b'a\n"x\ny\n', None),
        (b'a\nx"y\nz"\n', None),
        (b"a\r1\r2\n", None),
        (b"a\n\0\n", None),
        (b"a\n\xff\xff\n", None),
    ],
)
def test_the_second_reader_counts_rows_or_does_not_tell(content: bytes, count: int | None) -> None:
    assert counts.row_count(".csv", content) == count


def test_the_rules_of_a_tree_are_told_apart() -> None:
    tree = [trees.node("total", ""), trees.node("p", "total"), trees.node("s", "p"), trees.node("t", "s")]
    assert trees.is_sound(tree)
    for place, change in (
        (3, {"weight": "0"}),
        (3, {"parent_code": "t"}),
        (3, {"aggregation": "geometric"}),
        (2, {"normalisation": "score"}),
        (1, {"parent_code": ""}),
        (3, {"normalisation": "goalposts"}),
        (0, {"indicator_code": "root"}),
    ):
        assert not trees.is_sound([{**row, **(change if at == place else {})} for at, row in enumerate(tree)]), change
