"""Whether a Dagster server asks to be reached from other machines.

Dagster asks nobody who they are: whoever reaches its server can start runs and read logs. So the code location does not
load where a process above it, or itself, was told to listen elsewhere than on this machine. What belongs here: seeing
that. A server that was started apart from the code location cannot be seen from it.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath

from city_index.errors import UsageError
from city_index.settings import Settings

_PROGRAMS = {"dagster", "dagster-webserver", "dg", "dagit"}
_MODULES = {"dagster", "dagster_webserver", "dagster_dg_cli"}
_OPTIONS = ("-h", "--host")

# Variables from which Dagster's commands take the option.
_PREFIXES = ("DAGSTER_WEBSERVER_", "DAGSTER_CLI_", "DAGSTER_DG_", "DAGIT_")

_MOST_ANCESTORS = 64


def refuse_remote_servers(settings: Settings, processes: Iterator[tuple[list[str], dict[str, str]]]) -> None:
    """Refuse to be served to other machines.

    Args:
        settings: whether somebody allowed it.
        processes: command line and environment of each process that may be serving.

    Raises:
        UsageError: a server was told to listen elsewhere than on this machine, and nobody allowed it.
    """
    if settings.allows_remote:
        return
    for arguments, environment in processes:
        for host in asked_hosts(arguments, environment):
            if not is_loopback(host):
                raise UsageError(
                    f"Dagster is asked to listen on {host[:100]!r}, where other machines reach it, and it asks nobody "
                    "who they are; start it with --host 127.0.0.1 (as `make dev` does), or set "
                    "CITY_INDEX_ALLOW_REMOTE=1 where something before it does"
                )


def asked_hosts(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The hosts that a command of Dagster is told to listen on; none where it is no command of Dagster."""
    if not _is_dagster(arguments):
        return []
    hosts = []
    for place, argument in enumerate(arguments):
        name, separator, value = argument.partition("=")
        if argument in _OPTIONS:
            hosts += arguments[place + 1 : place + 2]
        elif separator and name == "--host":
            hosts.append(value)
        elif argument.startswith("-h") and not argument.startswith("--") and len(argument) > 2:
            hosts.append(argument[2:].removeprefix("="))
    hosts += [
        value
        for name, value in environment.items()
        if name.startswith(_PREFIXES) and (name.endswith("_HOST") or name == "DAGSTER_HOST") and value
    ]
    return hosts


def _is_dagster(arguments: Sequence[str]) -> bool:
    """Whether a command line is one of Dagster's, by its program, script or module."""
    programs = {PurePosixPath(argument).name for argument in arguments[:3]}
    modules = {after for before, after in pairwise(arguments) if before == "-m"}
    return bool(programs & _PROGRAMS) or bool(modules & _MODULES)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False  # a name can mean anything


def own_processes() -> Iterator[tuple[list[str], dict[str, str]]]:
    """Command line and environment of this process and of those above it, as far as the system tells."""
    pid = os.getpid()
    for _step in range(_MOST_ANCESTORS):
        folder = Path("/proc") / str(pid)
        try:
            arguments = (folder / "cmdline").read_bytes()
            parent = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
        except OSError:
            return
        try:
            given = (folder / "environ").read_bytes()
        except OSError:
            given = b""  # another user's process
        pairs = (item.partition(b"=") for item in given.split(b"\0") if item)
        yield (
            [os.fsdecode(item) for item in arguments.split(b"\0") if item],
            {os.fsdecode(name): os.fsdecode(value) for name, _separator, value in pairs},
        )
        pid = int(parent)
        if pid <= 1:
            return
