"""A Superset of its own: metadata, user, server processes, all of it gone at the end.

What belongs here: starting and ending Superset. What is asked of it goes through ``superset_api``.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from city_index.errors import CityIndexError
from clients.environments import Environment
from clients.superset_api import Superset

_START_SECONDS = 180
_CONFIG = Path(__file__).with_name("superset_config.py")


@contextmanager
def running_superset(environment: Environment, state: Path) -> Iterator[Superset]:
    """A Superset with two worker processes of four threads, bound to 127.0.0.1, and somebody logged in.

    Args:
        environment: where Superset is installed.
        state: an empty folder for its metadata, cache and log.

    Raises:
        CityIndexError: it does not start; the message names its log.
    """
    password = secrets.token_urlsafe(16)
    variables = {
        **os.environ,
        "SUPERSET_CONFIG_PATH": str(_CONFIG),
        "SUPERSET_SECRET_KEY": secrets.token_urlsafe(42),
        "SUPERSET_STATE": str(state),
        "SUPERSET_HOME": str(state),
        "SCARF_ANALYTICS": "false",  # the one thing in Superset that phones home: a pixel on its pages
        "PYTHONWARNINGS": "ignore",
        "FLASK_APP": "superset",
    }
    variables.pop("PYTHONPATH", None)
    log = state / "superset.log"
    with log.open("w") as stream:
        name = ["--username", "reader", "--firstname", "City", "--lastname", "Index", "--email", "reader@example.org"]
        for words in (["db", "upgrade"], ["fab", "create-admin", *name, "--password", password], ["init"]):
            _superset(environment, words, variables, stream, log)
        port = _free_port()
        command = [environment.bin / "gunicorn", "--workers", "2", "--worker-class", "gthread", "--threads", "4"]
        command += [
            "--timeout",
            "300",
            "--no-control-socket",
            "--bind",
            f"127.0.0.1:{port}",
            "superset.app:create_app()",
        ]
        # A session of its own, so that it can be ended whole.
        server = subprocess.Popen(
            command, env=variables, cwd=state, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            superset = Superset(f"http://127.0.0.1:{port}")
            _wait_for(superset, server, log)
            superset.log_in("reader", password)
            yield superset
        finally:
            _end(server)


def _superset(environment: Environment, words: list[str], variables: dict[str, str], stream, log: Path) -> None:
    command = [environment.bin / "superset", *words]
    ended = subprocess.run(command, env=variables, cwd=log.parent, stdout=stream, stderr=subprocess.STDOUT, check=False)
    if ended.returncode != 0:
        raise CityIndexError(f"superset {words[0]} ended with {ended.returncode}: {_last_line(log)}")


def _wait_for(superset: Superset, server: subprocess.Popen, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up and server.poll() is None:
        try:
            with opener.open(f"{superset.address}/health", timeout=10):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise CityIndexError(f"Superset does not start: {_last_line(log)}")


def _last_line(log: Path) -> str:
    return (log.read_text(errors="replace").strip().splitlines() or ["its log is empty"])[-1]


def _end(server: subprocess.Popen) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
            server.wait(timeout=30)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
