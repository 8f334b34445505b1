"""Without a network: `make run` and `make test` in a network namespace that has none: `python -m reliability.offline`.

The commands run under ``unshare --net``, where even the loopback interface is down until it is brought up, and under
strace, which writes down every socket that any of their processes connects, binds or sends to. An attempt to reach an
address outside the machine is a violation; Unix sockets and loopback are not. A control that does try three addresses
has to be seen, or the proof proves nothing.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from city_index.errors import CityIndexError, UsageError
from city_index.settings import PROJECT_DIRECTORY
from reliability.page import provenance, table, write_section

# The system calls that name a peer, and those that start a process or a program.
_CALLS = "connect,sendto,sendmsg,sendmmsg,bind,execve,clone,clone3,fork,vfork"
_ADDRESS = re.compile(r"sa_family=(AF_INET6?), .*?(?:inet_addr\(\"([^\"]+)\"\)|inet_pton\(AF_INET6, \"([^\"]+)\")")
_LOOPBACK = re.compile(r"^(127\.|::1$|0\.0\.0\.0$|::$|::ffff:127\.)")
_PROGRAM = re.compile(r"execve\(\"[^\"]+\", \[(.*)\], .*= 0$")
_CHILD = re.compile(r"^(?:clone3?|v?fork)\(.*= (\d+)$")

# Of a command that fails so many of its last lines are shown.
_SAID_LINES = 80

_CONTROL = """
import socket
for address in ("192.0.2.1", "198.51.100.7", "2001:db8::1"):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            pass
"""


@dataclass
class Attempts:
    """What a command did with sockets.

    Attributes:
        name: of the command, as people give it.
        exit_code: how it ended.
        programs: how many programs were started.
        outside: how often each address outside the machine was tried.
        by_command: the command lines that tried one, and how often.
        said: the last lines that it printed.
    """

    name: str
    exit_code: int
    programs: int
    outside: Counter[str] = field(default_factory=Counter)
    by_command: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)


def tools_missing() -> list[str]:
    """What the proof needs and this machine has not, or may not use."""
    missing = [name for name in ("unshare", "strace", "ip") if shutil.which(name) is None]
    if _is_traced():
        missing.append("no other tracer around it, such as strace or a debugger")
    if not missing:
        tried = subprocess.run(["unshare", "--net", "strace", "-V"], capture_output=True, check=False)
        if tried.returncode != 0:
            missing.append("the right to make a network namespace")
    return missing


def _is_traced() -> bool:
    """Whether a tracer, such as that of this proof itself, holds the process: a process has one at most."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return False
    return re.search(r"^TracerPid:\s+[1-9]", status, flags=re.MULTILINE) is not None


def without_network(name: str, command: list[str], folder: Path, environment: dict[str, str]) -> Attempts:
    """Run a command in a network namespace of its own, with loopback alone; gives what it tried."""
    traces = folder / "traces"
    shutil.rmtree(traces, ignore_errors=True)
    traces.mkdir()
    traced = [
        "strace",
        "-ff",
        "--output-append-mode",  # a process may get the number of an earlier one
        "--seccomp-bpf",
        "-qq",
        "-e",
        f"trace={_CALLS}",
        "-s",
        "200",
        "-o",
        str(traces / "trace"),
        *command,
    ]
    script = 'ip link set lo up && exec "$@"'
    with (folder / "output.log").open("w+", encoding="utf-8") as log:
        ended = subprocess.run(
            ["unshare", "--net", "sh", "-c", script, "sh", *traced],
            cwd=PROJECT_DIRECTORY,
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
        log.seek(0)
        said = [line.rstrip() for line in log if line.strip()]
    found = Attempts(name, ended.returncode, 0, said=said[-_SAID_LINES:])
    _read_traces(traces, found)
    return found


def _read_traces(traces: Path, found: Attempts) -> None:
    """Count what strace wrote down, one file for each process and thread: ``trace.PID``."""
    # What a process ran when it started each of its children; nothing where it had started no program of its own.
    starts: dict[int, tuple[int, str]] = {}
    tried: Counter[tuple[int, str]] = Counter()
    for trace in traces.iterdir():
        process, running = int(trace.suffix[1:]), ""
        with trace.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                program, child, address = _PROGRAM.match(line), _CHILD.match(line), _ADDRESS.search(line)
                if program:
                    found.programs += 1
                    running = program.group(1).replace('"', "")
                elif child:
                    starts[int(child.group(1))] = (process, running)
                elif address:
                    peer = address.group(2) or address.group(3)
                    if not _LOOPBACK.match(peer):
                        found.outside[peer] += 1
                        tried[process, running] += 1
    for (process, running), times in tried.items():
        # A thread, or a child that starts no program of its own, is what its parent was.
        seen = set()
        while not running and process in starts and process not in seen:
            seen.add(process)
            process, running = starts[process]
        found.by_command[running or f"process {process}"] += times


def main() -> int:
    """Run the proof; gives its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true", help="the whole test suite too, not only its quick part")
    parser.add_argument("--no-tests", action="store_true", help="the run alone")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/reliability.md")
    arguments = parser.parse_args()
    missing = tools_missing()
    if missing:
        raise UsageError(f"the proof without a network needs {', '.join(missing)}; it runs on Linux, as root")
    results = []
    with tempfile.TemporaryDirectory(prefix="city-index-offline-") as scratch:
        folder = Path(scratch)
        commands = [
            ("a control that tries three addresses", [sys.executable, "-c", _CONTROL]),
            ("make run", ["make", "run"]),
        ]
        if not arguments.no_tests:
            tests = "test" if arguments.long else "test-quick"
            commands.append((f"make {tests}", ["make", tests]))
        for name, command in commands:
            began = time.monotonic()
            found = without_network(name, command, folder, {"CITY_INDEX_HOME": str(folder / "home")})
            results.append(found)
            print(
                f"{name}: exit code {found.exit_code}, {found.programs} programs, "
                f"{sum(found.outside.values())} attempts ({time.monotonic() - began:.0f} s)",
                flush=True,
            )
            # What it said last; of one that failed, enough to see why.
            for line in found.said if found.exit_code else found.said[-1:]:
                print(f"  {line}", flush=True)
            for address, times in found.outside.most_common(20):
                print(f"  address {address}: {times}", flush=True)
            for command_line, times in found.by_command.most_common(20):
                print(f"  by {command_line}: {times}", flush=True)
    control, *proved = results
    if len(control.outside) != 3:
        raise CityIndexError(f"the control's three attempts were not all seen: {dict(control.outside)}; mend the proof")
    rows = [
        (f"`{one.name}`" if one is not control else one.name, one.programs, one.exit_code, sum(one.outside.values()))
        for one in results
    ]
    text = table(("Command", "Programs started", "Exit code", "Attempts to reach another machine"), rows)
    print(text)
    if arguments.write:
        chosen = [option for option in ("--long", "--no-tests") if getattr(arguments, option[2:].replace("-", "_"))]
        command = "make offline" if chosen == ["--long"] else " ".join(["python -m reliability.offline", *chosen])
        write_section("offline", f"{text}\n\n{provenance(command)}")
    return int(any(one.outside or one.exit_code for one in proved))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CityIndexError as error:
        print(f"reliability.offline: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
