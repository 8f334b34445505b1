"""What hostile input has broken: each case once, made here, as it would come from outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import city_index

from city_index.contracts import contracts
from city_index.errors import UsageError
from city_index.landing import xlsx_files
from city_index.landing.csv_files import UnreadableFile
from city_index.landing.staging import check_header
from city_index.settings import Settings
from city_index.weights_file import read_weights
from reliability.fuzz.promises import broken
from reliability.fuzz.tables import as_xlsx
from reliability.fuzz.worker import command


def say(tmp_path: Path, *arguments: str, home: str | None = None) -> dict:
    """Run a command in this process; what it says keeps the promises."""
    environ = {**os.environ, "CITY_INDEX_HOME": str(tmp_path / "home") if home is None else home}
    said = command(list(arguments), environ, str(tmp_path))
    assert broken(said, lines_allowed=len(arguments)) is None, said
    return said


@pytest.mark.parametrize(
    "home",
    ["\0", "x\0y", "\udcff", "\ud800", "a\nb", "\x1b[31m", "/" + "x" * 300, "/x" * 3000, "x" * 70_000, "~nouser/x"],
    ids=repr,
)
def test_a_home_that_no_file_system_takes_is_refused(home: str) -> None:
    with pytest.raises(UsageError, match=r"^CITY_INDEX_HOME is ") as refused:
        Settings.from_environment({"CITY_INDEX_HOME": home})
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("name", ["CITY_INDEX_ENV", "CITY_INDEX_DRAW_COUNT", "CITY_INDEX_SENSITIVITY_ROWS"])
def test_a_refused_setting_is_shown_cut_off(name: str) -> None:
    with pytest.raises(UsageError, match=f"^{name} is '9999") as refused:
        Settings.from_environment({name: "9" * 100_000})
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("place", ["file", "file/below", "loop", "pipe/x"])
@pytest.mark.parametrize("line", [["ingest", "cities.csv"], ["rollback", "x"], ["status"], ["run"]], ids=" ".join)
def test_a_home_that_can_be_no_folder_is_wrong_usage(tmp_path: Path, place: str, line: list[str]) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "cities.csv").write_text("city_code,name_zh,name_en\nX1,城,City\n", encoding="utf-8")
    said = say(tmp_path, *line, home=str(tmp_path / place))
    assert said["exit_code"] == 2 or line == ["status"], said


def test_a_pipe_as_a_file_of_weights_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "weights.csv"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="is no plain file"):
        read_weights(pipe)


@pytest.mark.parametrize("name", ["x" * 300 + ".csv", "/".join(["y" * 200] * 25), os.fsdecode(b"\xff" * 300), "in/x"])
def test_a_file_that_cannot_be_looked_at_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").touch()
    assert say(tmp_path, "ingest", name)["exit_code"] == 2
    assert say(tmp_path, "ingest", name, name)["exit_code"] == 2


@pytest.mark.parametrize(
    "line",
    [
        ["explain", "\udcff", "total"],
        ["explain", "beijing", "\udcff"],
        ["explain", "beijing", "total", "--edition", "\udcff"],
        ["whatif", "--exclude-indicator", "\udcff"],
        ["whatif", "--index", "\udcff", "--exclude-indicator", "x"],
        ["diff", "\udcff"],
        ["diff", "--city", "\udcff"],
        ["rollback", "\udcff"],
        ["verify", "\udcff"],
    ],
    ids=ascii,
)
def test_a_name_that_is_no_text_is_wrong_usage(tmp_path: Path, line: list[str]) -> None:
    said = say(tmp_path, *line)
    assert said["exit_code"] == 2
    assert "is not UTF-8" in said["err"]


def test_rows_far_down_a_sheet_are_found_without_building_the_blank_ones(tmp_path: Path) -> None:
    path = tmp_path / "far.xlsx"
    path.write_bytes(as_xlsx(["city_code", "name_zh"], [["x", "城"]], first_row=1_048_570))
    assert xlsx_files.read_header(path) == ["city_code", "name_zh"]
    taken = xlsx_files.take_apart(path, 2, tmp_path / "rows.csv", tmp_path / "malformed.csv")
    assert (taken.rows, taken.malformed) == (1, 0)
    assert (tmp_path / "rows.csv").read_text(encoding="utf-8") == '"1048571","x","城"\n'


def test_a_header_of_very_many_columns_is_compared_in_one_go() -> None:
    with pytest.raises(UnreadableFile, match="it has the column 'a' twice"):
        check_header(contracts()["cities"], ["city_code", "name_zh", "name_en", *["a"] * 300_000])


def test_a_message_moves_no_cursor_and_ends(tmp_path: Path) -> None:
    assert "\\x1b[31m" in say(tmp_path, "--\x1b[31m")["err"]
    said = say(tmp_path, "rollback", "x" * 100_000)
    assert len(said["err"]) < 5000
    assert "`city-index releases` lists" in said["err"]


def test_a_stream_that_cannot_show_a_character_gets_its_escape(tmp_path: Path) -> None:
    (tmp_path / "城.csv").write_text("city_code,name_zh,name_en\nX1,城,City\n", encoding="utf-8")
    run = city_index("ingest", str(tmp_path / "城.csv"), home=tmp_path / "home", PYTHONIOENCODING="latin-1")
    assert run.returncode == 0, run.stderr
    assert "\\u57ce.csv: copied to" in run.stdout
