"""Hostile arguments: every command of the console script with whatever a shell can pass to it, on a published home.

What belongs here: the strategies, the folder of odd files that arguments name, and putting both to the script. What is
promised stands in ``promises``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click
import duckdb
from hypothesis import given
from hypothesis import strategies as st

from city_index.cli import city_index
from city_index.settings import PROJECT_DIRECTORY
from reliability.fuzz.drawing import drawn
from reliability.fuzz.promises import SECONDS, broken
from reliability.fuzz.tally import ACCEPTED, REFUSED, Tally
from reliability.fuzz.worker import Worker

KIND = "arguments"

# Every so many cases one also goes through a process of its own, as a shell starts it.
_SUBPROCESS_EVERY = 200

# A single argument may have 128 KiB on Linux.
_LONG = 100_000

_WORDS = (
    "", " ", "-", "--", "-x", "--x", "--x=y", "-1", "0", "1e309", "9" * 30, "nan", "%s", "%n", "{}", "{{ 1 }}", "$(id)",
    "`id`", "; drop table x; --", "' or '1'='1", '"', "'", "\\", "*", "?", "[a]", "a\nb", "\r", "\t", "\x1b[31mred",
    "\x07", "\x7f", "\u202egnp", "\u200b", "\ufeff", "１２", "北京", "😀", "e\u0301", "..", "~", "~nouser", "=1+1",
    "@x", "null", "None", "total", "published", "previous", "build", "beijing", "上海市", "medical_digital", "2020",
    "x" * 300,
)  # fmt: skip

# Files of weights, of every shape that is none.
_CODE = "infra_platform_population_db"
_WEIGHTS: dict[str, bytes] = {
    "good": f"indicator_code,weight\n{_CODE},2\n".encode(),
    "empty": b"",
    "blank": b" \n\n",
    "mark_alone": b"\xef\xbb\xbf",
    "header_alone": b"indicator_code,weight\n",
    "twice": f"indicator_code,weight\n{_CODE},2\n{_CODE},3\n".encode(),
    "repeated_header": b"indicator_code,weight,weight\na,1,2\n",
    "unknown_column": b"indicator_code,weight,x\na,1,2\n",
    "many_columns": b",".join(b"c%d" % number for number in range(10_000)) + b"\n",
    "nul": b"indicator_code,weight\na\0b,1\n",
    "open_quote": b'indicator_code,weight\n"a,1\nb,2\n',
    "stray_quote": b'indicator_code,weight\n"a"b,1\n',
    "utf16": "indicator_code,weight\na,1\n".encode("utf-16"),
    "latin": b"indicator_code,weight\n\xe9\xff,1\n",
    "surrogate": b"indicator_code,weight\n\xed\xa0\x80,1\n",
    "long_field": b"indicator_code,weight\n" + b"x" * 300_000 + b",1\n",
    "too_large": b"indicator_code,weight\n" + b"x,1\n" * (5 << 20),
    "escapes": b"indicator_code,weight\n\x1b[31mred\x07,\x1b[0m\n",
    "returns": b"indicator_code,weight\ra,1\rb,2\r",
    "json": b'{"indicator_code": "total", "weight": 1}',
    "deep_json": b"[" * 100_000 + b"]" * 100_000,
    "yaml": b"weights:\n  total: 1\n",
    "yaml_tag": b"!!python/object/apply:os.system ['touch broken']\n",
    "yaml_bomb": b"a: &a [x, x]\n" + b"".join(
        b"%c: &%c [*%c, *%c, *%c]\n" % (98 + i, 98 + i, 97 + i, 97 + i, 97 + i) for i in range(20)
    ),
    "xlsx": b"PK\x03\x04" + bytes(200),
    "parquet": b"PAR1" + bytes(40) + b"PAR1",
    **{
        f"weight_{number}": f"indicator_code,weight\n{_CODE},{text}\n".encode()
        for number, text in enumerate((
            "0", "-1", "nan", "inf", "-inf", "1e309", "1e-400", "9" * 400, "", " ", "x", "1_000", "0x10", "１．５",
            "1,5", "5e-324", "1.7e308", "+1", "--1", "½", "Ⅳ", "١", "1e" + "9" * 5000, "\u202e1", "1\u200b",
        ))
    },
}  # fmt: skip


def make_odd_files(folder: Path) -> list[str]:
    """Fill a folder with files, folders and other things that an argument may name; gives their paths."""
    folder.mkdir(parents=True)
    paths = ["missing.csv", "missing/missing.csv", "x" * 300 + ".csv", "/".join(["y" * 200] * 25)]
    for name, content in _WEIGHTS.items():
        (folder / f"{name}.csv").write_bytes(content)
        paths.append(f"{name}.csv")
    for name in ("yaml", "yaml_tag", "json"):
        (folder / f"weights_{name}.{name[:4]}").write_bytes(_WEIGHTS[name])
        paths.append(f"weights_{name}.{name[:4]}")
    cities = b"city_code,name_zh,name_en\nX1,\xe5\x9f\x8e,City\n"
    for name in (b"cities.csv", b"not \xff utf-8.csv", b"new\nline.csv", b"\x1b[31m.csv", b"-rf.csv", b"--kind.csv"):
        (folder / os.fsdecode(name)).write_bytes(cities)
        paths.append(os.fsdecode(name))
    for name in ("damaged.xlsx", "damaged.parquet", "cities.pdf", "~$open.xlsx"):
        (folder / name).write_bytes(_WEIGHTS["xlsx"])
        paths.append(name)
    (folder / "folder.csv").mkdir()
    (folder / "closed").mkdir()
    (folder / "closed" / "inside.csv").write_bytes(cities)
    (folder / "unreadable.csv").write_bytes(cities)
    (folder / "unreadable.csv").chmod(0)
    (folder / "closed").chmod(0)
    for suffix in (".csv", ".xlsx", ".parquet"):
        os.mkfifo(folder / f"pipe{suffix}")
        paths.append(f"pipe{suffix}")
    (folder / "loop.csv").symlink_to("loop.csv")
    (folder / "dangling.csv").symlink_to("nowhere")
    (folder / "linked.csv").symlink_to("good.csv")
    (folder / "zero.csv").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        # The path of a socket is short, so it is bound by its name in its folder.
        before = Path.cwd()
        os.chdir(folder)
        try:
            server.bind("socket.csv")
        finally:
            os.chdir(before)
    paths += ["folder.csv", "closed/inside.csv", "unreadable.csv", "loop.csv", "dangling.csv", "linked.csv"]
    paths += ["zero.csv", "socket.csv", ".", "..", "good.csv/below.csv", "/dev/null", "/dev/zero", "/dev/full"]
    return [*paths, "/dev/stdin", "/dev/fd/0", "/dev/tty", "/proc/self/mem", "/proc/self/environ", "/proc/1/root", "/"]


def known_names(database: Path) -> list[str]:
    """What a published database knows: release, cities, indices and indicators."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return [
            name
            for (name,) in connection.execute(
                "select release_id from meta_release union all (select city_code from dim_cities limit 3) union all "
                "(select name_zh from dim_cities limit 3) union all (select distinct index_code from dim_editions) "
                "union all (select distinct edition from dim_editions) "
                "union all (select indicator_code from dim_indicators limit 5)"
            ).fetchall()
            if name
        ]


def texts() -> st.SearchStrategy[str]:
    """Whatever a shell can pass as one argument, but no path that leads out of the current folder."""
    as_bytes = st.binary(max_size=20).filter(lambda data: b"\0" not in data and b"/" not in data).map(os.fsdecode)
    as_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), max_size=30)
    long = st.sampled_from(["x", "城", "=", "-", "\x1b", "\udcff", "a b", "'"]).map(lambda word: word * (_LONG // 4))
    return st.one_of(st.sampled_from(_WORDS), as_text, as_bytes, long)


def _values(parameter: click.Parameter, names: list[str], paths: list[str]) -> st.SearchStrategy[str]:
    """Values of a parameter: what it takes, what it nearly takes, and anything."""
    choices = [texts(), st.sampled_from(paths), st.sampled_from(names).flatmap(_nearly)]
    if isinstance(parameter.type, click.Choice):
        choices.append(st.sampled_from(list(parameter.type.choices)))
    if isinstance(parameter.type, click.IntRange):
        choices.append(st.integers(-(2**70), 2**70).map(str))
        choices.append(st.integers(0, 30).map(str))
    if isinstance(parameter.type, click.Path):
        choices.append(st.sampled_from(paths))
    return st.one_of(choices)


def _nearly(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([name, name, name, name.upper(), name[:-1], f" {name} ", f"{name}\n", f"{name}'", name[:4]])


@st.composite
def command_lines(draw: st.DrawFn, names: list[str], paths: list[str]) -> list[str]:
    """A command with options and arguments, some of them right."""
    command = draw(st.sampled_from(sorted(city_index.commands)))
    line = [command]
    for parameter in city_index.commands[command].params:
        values = _values(parameter, names, paths)
        if isinstance(parameter, click.Argument):
            count = draw(st.integers(1, 2) if parameter.nargs == -1 else st.integers(int(parameter.required), 1))
            line += [draw(values) for _ in range(count)]
        elif draw(st.integers(0, 2)) == 0:
            line.append(draw(st.sampled_from(parameter.opts)))
            if not getattr(parameter, "is_flag", False):
                line.append(draw(values))
    if draw(st.integers(0, 4)) == 0:
        line.insert(draw(st.integers(0, len(line))), draw(texts()))
    if _rebuilds(line):
        line.append("not an argument of it")
    return line


def _rebuilds(line: list[str]) -> bool:
    """Whether a line might begin a rebuild, which takes a minute; what ``run`` makes of a wrong one is enough here."""
    return "run" in line


def try_arguments(tally: Tally, home: Path, folder: Path, cases: int, seed_number: int, file_step: int = 1) -> None:
    """Put so many command lines to the console script.

    Args:
        tally: where they are counted.
        home: a home with a published release.
        folder: a new folder, for the files that arguments name.
        cases: how many.
        seed_number: the same gives the same.
        file_step: of the odd files at each option one in so many is tried.
    """
    paths = make_odd_files(folder)
    names = known_names(home / "published" / "city_index.duckdb")
    environ = {**os.environ, "CITY_INDEX_HOME": str(home)}
    tried = [0]
    with Worker() as child:

        @drawn(cases, seed_number)
        @given(line=command_lines(names, paths))
        def try_one(line: list[str]) -> None:
            tried[0] += 1
            judge_line(tally, child, line, environ, folder)
            if tried[0] % _SUBPROCESS_EVERY == 0:
                judge_said(tally, line, in_a_process(line, environ, folder))
                tally.figures["in processes of their own"] += 1

        try_one()
        for line in islice(every_file_at_every_option(paths), 0, None, file_step):
            judge_line(tally, child, line, environ, folder)


def every_file_at_every_option(paths: list[str]) -> Iterator[list[str]]:
    """Each of the odd files where a command reads one, and where it writes one."""
    for path in paths:
        yield ["whatif", "--weights", path]
        yield ["ingest", "--", path]
        yield ["ingest", "--kind", "cities", "--", path, path]
        if "/" not in path or path.startswith(("/dev", "/proc")):
            yield ["whatif", "--exclude-indicator", _CODE, "--csv", path]
            yield ["explain", "beijing", "total", "--html", path]


def judge_line(tally: Tally, worker: Worker, line: list[str], environ: dict[str, str], folder: Path) -> None:
    """Run one line in a child, and hold what comes of it against the promises."""
    answer = worker.ask("command", SECONDS, arguments=line, environ=environ, folder=str(folder))
    if answer.said is None:
        tally.count("broken")
        tally.violate("no answer", answer.problem, line)
    else:
        judge_said(tally, line, answer.said)


def judge_said(tally: Tally, line: list[str], said: dict[str, Any]) -> None:
    """Hold what a line said against the promises."""
    several = line.count("--") + len(line) if "ingest" in line else 1
    problem = broken(said, lines_allowed=several)
    if problem:
        tally.count("broken")
        tally.violate(problem, said["raised"] or said["err"] or said["out"], line)
    else:
        tally.count(REFUSED if said["exit_code"] else ACCEPTED)


def in_a_process(line: list[str], environ: dict[str, str], folder: Path) -> dict[str, Any]:
    """Run a line in a process of its own, with a terminal's encoding."""
    run = subprocess.run(
        [sys.executable, "-m", "city_index", *line],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(PROJECT_DIRECTORY)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=4 * SECONDS,
        check=False,
    )
    out, err = (stream.decode("utf-8", "replace") for stream in (run.stdout, run.stderr))
    return {"exit_code": run.returncode, "raised": None, "out": out, "err": err}
