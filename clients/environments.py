"""The clients' own virtual environments, each made from pinned requirements.

What belongs here: making an environment, and finding a Python for it. No client shares the project's environment: its
pins and the project's would bend each other.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from city_index.errors import CityIndexError, UsageError
from city_index.settings import PROJECT_DIRECTORY

ENVIRONMENTS = PROJECT_DIRECTORY / ".venv-clients"
REQUIREMENTS = PROJECT_DIRECTORY / "clients" / "requirements"
_NODE = PROJECT_DIRECTORY / "clients" / "node"
_OLDEST = (3, 11)


@dataclass(frozen=True)
class Environment:
    """A virtual environment of a client."""

    directory: Path

    @property
    def bin(self) -> Path:
        """Where its commands are."""
        return self.directory / "bin"

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.bin / "python"

    def version(self, package: str) -> str:
        """The version of a package that is installed in it."""
        command = [self.python, "-c", "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"]
        return subprocess.run([*command, package], capture_output=True, text=True, check=True).stdout.strip()


def environment(name: str, newest: tuple[int, int] = (3, 13)) -> Environment:
    """The environment of ``requirements/<name>.txt``; made, or made anew, where the file has changed.

    Args:
        name: the name of the requirements file.
        newest: the newest Python that the client runs on.

    Raises:
        UsageError: there is no Python that suits it.
        CityIndexError: its packages cannot be installed.
    """
    requirements = REQUIREMENTS / f"{name}.txt"
    made = Environment(ENVIRONMENTS / name)
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp = made.directory / "installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        return made
    python = _suitable_python(name, newest)
    print(f"setting up {made.directory.relative_to(PROJECT_DIRECTORY)}", flush=True)
    subprocess.run([python, "-m", "venv", "--clear", str(made.directory)], check=True)
    command = [made.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    installed = subprocess.run(
        [*command, "--require-hashes", "-r", requirements], capture_output=True, text=True, check=False
    )
    if installed.returncode != 0:
        last = (installed.stderr.strip().splitlines() or ["pip says nothing"])[-1]
        raise CityIndexError(f"{requirements.relative_to(PROJECT_DIRECTORY)} cannot be installed: {last}")
    stamp.write_text(wanted)
    return made


def node_environment(npm: str) -> Path:
    """The folder with the packages of ``node/package.json`` and the scripts that use them; made by npm from the lock.

    Raises:
        CityIndexError: they cannot be installed.
    """
    installed = ENVIRONMENTS / "node"
    shutil.copytree(_NODE, installed, dirs_exist_ok=True)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    run = subprocess.run(command, cwd=installed, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise CityIndexError(f"npm cannot install {_NODE / 'package.json'}: {' '.join(run.stderr.split())[-300:]}")
    return installed


def node_pin(package: str) -> str:
    """The version of a package of Node.js that the project pins."""
    return json.loads((_NODE / "package.json").read_text(encoding="utf-8"))["dependencies"][package]


def _suitable_python(name: str, newest: tuple[int, int]) -> str:
    if sys.version_info[:2] <= newest:
        return sys.executable
    for minor in range(newest[1], _OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.run([found, "-c", "import venv"], capture_output=True, check=False).returncode == 0:
            return found
    raise UsageError(
        f"the client {name} runs on Python 3.{_OLDEST[1]} to 3.{newest[1]} and none is found; "
        "set the project up with one: make setup PYTHON=/path/to/python"
    )
