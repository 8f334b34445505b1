"""Hostile settings: every variable that the project reads, and the others that move it, with values that make no sense.

What belongs here: making environments and putting them to the settings and to the console script. Each either works or
is refused as wrong usage.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from city_index.errors import UsageError
from city_index.settings import PROJECT_DIRECTORY, Settings
from reliability.fuzz.arguments import in_a_process, judge_said
from reliability.fuzz.drawing import drawn
from reliability.fuzz.promises import SECONDS
from reliability.fuzz.tally import ACCEPTED, REFUSED, Tally
from reliability.fuzz.worker import Worker

KIND = "settings"

HOME = "CITY_INDEX_HOME"

# Commands that only look, so that no value can make them write where they should not.
_LOOKING = (["status"], ["doctor"], ["releases"], ["verify"], ["diff"], ["explain", "beijing", "total"])

_NUMBERS = (
    "0", "1", "-1", "+1", " 7 ", "1.0", "1e3", "0x10", "1_000", "９", "²", "nan", "inf", "", " ", "9" * 18, "9" * 19,
    "9" * 5000, "8192", "8191", "3", "268435456", "2147483648", "true", "None", "1\0", "1\n2", "\udcff", "½", "-0",
)  # fmt: skip
_TEXTS = (
    "", " ", "dev", "prod", "DEV", "dev ", "dev\0", "http://", "https://x", "http://[", "http://[::1", "ftp://x",
    "http://x\ny", "http://x:99999999", "http://\udcff", "https://" + "x" * 10_000, "javascript:alert(1)", "1", "json",
    "http://user:word@x", "0.0.0.0", "127.0.0.1", "::", "true", "yes", "x" * 10_000, "\x1b[31m", "北京",
)  # fmt: skip


def hostile_homes(folder: Path) -> list[str]:
    """Places where no home can be, and some odd ones where one can."""
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(b"x")
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    odd = folder / "it's [an] odd; {home} * 100%"
    odd.mkdir()
    return [
        "", " ", ".", "relative", "~", "~/x", "~nouser", "~nouser/x", "~\udcff", "\0", "x\0y", "\udcff", "\ud800", "\n",
        "a\nb", "\x1b[31m", "/" + "x" * 300, "/" + "x/" * 3000, "x" * 70_000, "/dev/null", "/dev/null/x", "/proc/x",
        "/nonexistent/x",
        *(str(folder / name) for name in ("file", "file/below", "loop", "loop/x", "dangling", "pipe", "pipe/x", "new")),
        str(odd), str(folder / os.fsdecode(b"\xff")), str(folder / "new" / ".." / "x"), str(folder / "北京"),
    ]  # fmt: skip


def variables() -> list[str]:
    """Every variable of the project, as its settings read them."""
    text = (PROJECT_DIRECTORY / "city_index" / "settings.py").read_text(encoding="utf-8")
    return sorted(set(re.findall(r"\bCITY_INDEX_[A-Z_]*[A-Z]\b", text)))


def values(name: str, homes: list[str]) -> st.SearchStrategy[str]:
    """Values of a variable: those that come near, and any text."""
    near = homes if name == HOME else [*_NUMBERS, *_TEXTS]
    return st.one_of(st.sampled_from(near), st.text(max_size=20), st.integers().map(str), st.floats().map(str))


def try_settings(tally: Tally, folder: Path, cases: int, command_cases: int, seed_number: int) -> None:
    """Read the settings from so many environments, and run commands in some of them.

    Args:
        tally: where they are counted.
        folder: a new folder.
        cases: how many environments the settings are read from.
        command_cases: how many of the commands in hostile environments are run, besides a few in the surroundings that
            cron, services and broken shells give; none where it is 0.
        seed_number: the same gives the same.
    """
    homes = hostile_homes(folder / "homes")
    names = variables()
    environments = st.dictionaries(st.sampled_from(names), st.just(None), min_size=1, max_size=4).flatmap(
        lambda chosen: st.fixed_dictionaries({name: values(name, homes) for name in chosen})
    )

    @drawn(cases, seed_number)
    @given(environ=environments)
    def read_one(environ: dict[str, str]) -> None:
        judge_settings(tally, environ)

    read_one()
    for name in names:
        for value in homes if name == HOME else [*_NUMBERS, *_TEXTS]:
            judge_settings(tally, {name: value})
    with Worker() as worker:
        lines = list(_commands(folder, homes, names))
        step = max(1, len(lines) // command_cases) if command_cases else len(lines) + 1
        for number, (line, environ) in enumerate(lines[step - 1 :: step]):
            answer = worker.ask("command", SECONDS, arguments=line, environ=environ, folder=str(folder))
            case = {"line": line, "environ": _told(environ)}
            if answer.said is None:
                tally.count("broken")
                tally.violate("no answer", answer.problem, case)
            else:
                judge_said(tally, case, answer.said)
            tally.figures["commands"] += 1
            if number % 40 == 0:
                judge_said(tally, case, in_a_process(line, environ, folder))
                tally.figures["in processes of their own"] += 1
    for environ in _surroundings(folder) if command_cases else ():
        for line in (["status"], ["ingest", "北京.csv"])[: 1 + (command_cases > 40)]:
            judge_said(tally, {"line": line, "environ": _told(environ)}, in_a_process(line, environ, folder))
            tally.figures["in processes of their own"] += 1


def _told(environ: dict[str, str]) -> dict[str, str]:
    """What of an environment is not this process's own."""
    return {name: value for name, value in environ.items() if os.environ.get(name) != value}


def judge_settings(tally: Tally, environ: dict[str, str]) -> None:
    """Read the settings from an environment: they are read, or refused in words that name the variable."""
    try:
        found = Settings.from_environment(environ)
    except UsageError as error:
        tally.count(REFUSED)
        said = str(error)
        if not any(name in said for name in environ) or len(said.splitlines()) != 1 or len(said) > 1000:
            tally.violate("a refusal that does not name the variable in a line", said, environ)
        return
    except Exception as error:
        tally.count("broken")
        tally.violate("an exception got out", repr(error), environ)
        return
    tally.count(ACCEPTED)
    try:
        found.published_database.exists()
        found.home.is_dir()
    except (OSError, ValueError) as error:
        tally.violate("a home that no file system takes", repr(error), environ)


def _commands(folder: Path, homes: list[str], names: list[str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Commands with one hostile variable each, as a shell can pass it."""
    base = {**os.environ, HOME: str(folder / "home")}
    (folder / "cities.csv").write_text("city_code,name_zh,name_en\nX1,城,City\n", encoding="utf-8")
    for home in homes:
        if _can_be_passed(home):
            for line in (*_LOOKING, ["run"], ["rollback", "x"], ["ingest", str(folder / "cities.csv")]):
                # A home that can be made is no matter for these: they would build in it.
                if line in _LOOKING or not _may_be_made(home):
                    yield line, {**base, HOME: home}
    for name in names:
        for value in [] if name == HOME else [*_NUMBERS, *_TEXTS]:
            if _can_be_passed(value):
                yield ["status"], {**base, name: value}
                yield ["doctor"], {**base, name: value}


def _can_be_passed(value: str) -> bool:
    try:
        return b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def _may_be_made(home: str) -> bool:
    """Whether a folder could be made there by somebody who may write anywhere."""
    return not any(
        part in home for part in ("/file", "/loop", "/pipe", "/dev/null", "/proc/x", "~nouser", "xxxx", "x/x/")
    )


def _surroundings(folder: Path) -> Iterator[dict[str, str]]:
    """Environments as cron, services and broken shells give them."""
    base = {**os.environ, HOME: str(folder / "home")}
    yield {name: value for name, value in base.items() if name != "HOME"}
    yield {"PATH": base["PATH"], HOME: base[HOME]}
    for changed in (
        {"TMPDIR": "/nonexistent"},
        {"TMPDIR": str(folder / "homes" / "file")},
        {"TMPDIR": "\udcff"},
        {"HOME": ""},
        {"HOME": "/nonexistent"},
        {"HOME": "x" * 5000},
        {"LANG": "C", "LC_ALL": "C"},
        {"LC_ALL": "zh_CN.GB18030"},
        {"LC_ALL": "nonsense"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1:strict"},
        {"PYTHONUTF8": "0", "LC_ALL": "POSIX"},
        {"PYTHONWARNINGS": "error"},
        {"COLUMNS": "-1", "LINES": "x", "TERM": "nonsense"},
        {"COLUMNS": "0"},
        {"FORCE_COLOR": "1", "NO_COLOR": "x"},
        {"TZ": "nonsense/../../x"},
        {"DAGSTER_HOME": "relative"},
        {"DBT_PROFILES_DIR": "/nonexistent"},
        {"PATH": ""},
    ):
        yield {**base, **changed}
