"""The build: the private folder in which the warehouse is built from scratch.

Each rebuild empties the folder and begins anew. Of the build before only those rows are left, until dbt has built,
that take long and name what they follow from (``city_index.earlier``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from city_index.checks import BUILT_KINDS, PASSED, Check
from city_index.checksums import file_sha256
from city_index.database import identifier, in_bounded_memory, open_database
from city_index.durability import write_in_one_step
from city_index.earlier import EARLIER_DATABASE, copy_takeable
from city_index.errors import CityIndexError
from city_index.hashing import code_version, input_hash
from city_index.helper_process import helper_command, helper_environment
from city_index.lock import file_lock
from city_index.settings import Settings

_PARSED_PREFIX = "parsed-"

# What dbt makes of the project, which is kept for each version of the code, and the file with the checksums of all
# that is kept with it.
_PARSED_FILES = ("manifest.json", "partial_parse.msgpack")
_CHECKSUMS = "checksums.json"

# Beside dbt's manifest of a version of the code: the unit tests that it has passed.
_UNIT_TESTS = "unit_tests.json"


@dataclass(frozen=True)
class Build:
    """One build: when it began, from what, and where it stands."""

    build_id: str
    started_at_utc: str
    code_version: str
    input_hash: str
    folder: Path

    @property
    def database(self) -> Path:
        """The database that dbt writes."""
        return self.folder / "build.duckdb"

    @property
    def earlier_database(self) -> Path:
        """What can be taken over from the build before, until dbt has built; not there where there is nothing."""
        return self.folder / EARLIER_DATABASE

    @property
    def dbt_target(self) -> Path:
        """dbt's target folder: manifest and results."""
        return self.folder / "dbt"

    @property
    def raw_checks(self) -> Path:
        """Results of the raw gate."""
        return self.folder / "checks" / "raw.json"

    @property
    def marts_checks(self) -> Path:
        """Results of the marts gate."""
        return self.folder / "checks" / "marts.json"

    @property
    def sound_database(self) -> Path:
        """The SHA-256 of the database of a build that went through to the end."""
        return self.folder / "checks" / "sound.sha256"

    @property
    def audited_database(self) -> Path:
        """The SHA-256 of the database at the time of the marts gate."""
        return self.folder / "checks" / "audited.sha256"


def _build_folder(settings: Settings) -> Path:
    return settings.warehouse / "build"


def start_build(settings: Settings) -> Build:
    """Begin a build: fingerprint the inputs and code, and empty the build folder but for what can be taken over."""
    now = datetime.now(UTC)
    build = Build(
        build_id=f"{now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}",
        started_at_utc=now.replace(tzinfo=None).isoformat(timespec="seconds"),
        code_version=code_version(settings),
        input_hash=input_hash(settings),
        folder=_build_folder(settings),
    )
    earlier = _copy_earlier(settings, build)
    shutil.rmtree(build.folder, ignore_errors=True)
    (build.folder / "checks").mkdir(parents=True)
    build.dbt_target.mkdir()
    if earlier is not None:
        os.replace(earlier, build.earlier_database)
    description = {key: value for key, value in asdict(build).items() if key != "folder"}
    (build.folder / "build.json").write_text(json.dumps(description, indent=1), encoding="utf-8")
    return build


def _copy_earlier(settings: Settings, build: Build) -> Path | None:
    """Copy what can be taken over from the build before, which is about to go, to a database of its own; says where.

    None where no build went through to the end, where it is of other code, or where it cannot be copied.
    """
    target = settings.warehouse / f".{EARLIER_DATABASE}"
    _remove_with_log(target)
    earlier = latest_build(settings)
    if earlier is None or earlier.code_version != build.code_version or not _is_sound(earlier):
        return None
    try:
        memory = in_bounded_memory(settings.build_memory_bytes, settings.temporary / "spilled")
        copy_takeable(earlier.database, target, memory)
    except (duckdb.Error, OSError):  # then all is computed, as it is without an earlier build
        _remove_with_log(target)
        return None
    return target


def _remove_with_log(database: Path) -> None:
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()


def latest_build(settings: Settings) -> Build | None:
    """The build that stands in the warehouse; None where there is none."""
    folder = _build_folder(settings)
    try:
        return Build(**json.loads((folder / "build.json").read_text(encoding="utf-8")), folder=folder)
    except (OSError, ValueError, TypeError):
        return None


def mark_audited(build: Build) -> None:
    """Note which bytes the marts gate sees."""
    build.audited_database.write_text(file_sha256(build.database), encoding="ascii")


def is_audited(build: Build) -> bool:
    """Whether the build's database is the one that the marts gate saw."""
    return _has_checksum(build.database, build.audited_database)


def mark_sound(build: Build) -> None:
    """Note that a build, as it was audited, has passed every gate and was published or found to be nothing new."""
    shutil.copyfile(build.audited_database, build.sound_database)


def _is_sound(build: Build) -> bool:
    return _has_checksum(build.database, build.sound_database)


def _has_checksum(path: Path, noted: Path) -> bool:
    try:
        return noted.read_text(encoding="ascii") == file_sha256(path)
    except (OSError, ValueError):
        return False


def dbt_arguments(settings: Settings, arguments: list[str], temporary: Path | None = None) -> list[str]:
    """The command line of a dbt process, a helper of this one.

    Args:
        settings: the settings.
        arguments: dbt's arguments.
        temporary: where it makes its temporary files; by default where those of the rebuild go.
    """
    folder = settings.temporary if temporary is None else temporary
    return helper_command(settings.helpers_lock, folder, "city_index.dbt_process", *arguments)


def dbt_environment(settings: Settings, target: Path) -> dict[str, str]:
    """The environment of a dbt process that builds into the build folder.

    The database path is the same for every build of a home, so that dbt can reuse what it parsed.
    """
    return {
        **helper_environment(os.environ),
        "CITY_INDEX_HOME": str(settings.home),
        "CITY_INDEX_BUILD_MEMORY_BYTES": str(settings.build_memory_bytes),
        "CITY_INDEX_DRAW_COUNT": str(settings.draw_count),
        "CITY_INDEX_SENSITIVITY_ROWS": str(settings.sensitivity_rows),
        "CITY_INDEX_BUILD_DATABASE": str(_build_folder(settings) / "build.duckdb"),
        "DBT_PROJECT_DIR": str(settings.project_directory),
        "DBT_PROFILES_DIR": str(settings.project_directory),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target),
        "DBT_LOG_LEVEL_FILE": "info",  # the debug log costs a twentieth of the build
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_USE_COLORS": "false",
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
    }


def parsed_folder(settings: Settings, version: str) -> Path:
    """The folder of what depends on a version of the code alone; it goes when another version is parsed."""
    return settings.warehouse / f"{_PARSED_PREFIX}{version.split('+')[1]}"


def parsed_project(settings: Settings) -> Path:
    """The folder with dbt's manifest of today's code; parsed once for each version of the code.

    Raises:
        CityIndexError: the project cannot be parsed; the message is dbt's.
    """
    target = parsed_folder(settings, code_version(settings))
    # Dagster's services load the project at the same moment, and not under the rebuild lock.
    with file_lock(_parsing_lock(settings)):
        if not _is_as_parsed(target):
            _parse(settings, target)
        _remove_parsed(settings, but=target)
    return target


def _parse(settings: Settings, target: Path) -> None:
    settings.warehouse.mkdir(parents=True, exist_ok=True)
    working = settings.warehouse / f".{target.name}"
    shutil.rmtree(working, ignore_errors=True)
    parsed = subprocess.run(
        dbt_arguments(settings, ["--quiet", "parse"], temporary=working / "temporary"),
        cwd=settings.project_directory,
        env=dbt_environment(settings, working),
        capture_output=True,
        text=True,
        check=False,
    )
    if parsed.returncode != 0 or not all((working / name).is_file() for name in _PARSED_FILES):
        shutil.rmtree(working, ignore_errors=True)
        said = " ".join((parsed.stdout + parsed.stderr).split())
        raise CityIndexError(f"dbt cannot parse the project: {said[-800:]}")
    shutil.rmtree(working / "temporary", ignore_errors=True)
    checksums = {name: file_sha256(working / name) for name in _PARSED_FILES}
    (working / _CHECKSUMS).write_text(json.dumps(checksums, indent=1), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    os.replace(working, target)


def _parsing_lock(settings: Settings) -> Path:
    return settings.home / "parsing.lock"


def _remove_parsed(settings: Settings, but: Path) -> None:
    """Remove what was parsed of other versions of the code, and what was being parsed or written when it was killed."""
    for path in settings.warehouse.glob(f"{_PARSED_PREFIX}*"):
        if path != but:
            shutil.rmtree(path, ignore_errors=True)
    for path in settings.warehouse.glob(f".{_PARSED_PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in but.glob(".*"):
        path.unlink(missing_ok=True)


def _is_as_parsed(folder: Path) -> bool:
    """Whether a folder holds what dbt parsed, to the byte: models are compiled from it."""
    checksums = _checksums(folder)
    try:
        return all(checksums.get(name) == file_sha256(folder / name) for name in _PARSED_FILES)
    except OSError:
        return False


def _checksums(folder: Path) -> dict[str, str]:
    """The checksums of what is kept in a folder, by name; none where they cannot be read."""
    try:
        found = json.loads((folder / _CHECKSUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def reuse_parsed_project(parsed: Path, build: Build) -> None:
    """Hand a build what dbt has parsed already; dbt checks itself whether it still holds."""
    name = "partial_parse.msgpack"
    if (parsed / name).is_file():
        shutil.copyfile(parsed / name, build.dbt_target / name)


def built_node_count(manifest: Mapping[str, Any], with_unit_tests: bool = True) -> int:
    """How many nodes `dbt build` runs, by dbt's manifest."""
    nodes = sum(node["resource_type"] in BUILT_KINDS for node in manifest["nodes"].values())
    return nodes + (len(manifest.get("unit_tests", {})) if with_unit_tests else 0)


def primary_keys(manifest: Path) -> dict[str, list[str]]:
    """The columns of the primary key of every model with a contract, by its name.

    Args:
        manifest: the file that dbt writes it into.

    Raises:
        CityIndexError: a contract has no primary key, or more than one.
    """
    found = {
        node["name"]: [each["columns"] for each in node["constraints"] if each["type"] == "primary_key"]
        for node in json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
        if node["resource_type"] == "model" and node["config"]["contract"]["enforced"]
    }
    without = sorted(name for name, keys in found.items() if len(keys) != 1)
    if without:
        raise CityIndexError(f"models without one primary key in their contract: {', '.join(without)}")
    return {name: key for name, (key,) in found.items()}


def passed_unit_tests(settings: Settings, version: str) -> dict[str, Check]:
    """The unit tests that a version of the code has passed here, by dbt's id; empty where it has not passed all.

    A unit test sees only the rows that it gives itself, so its result depends on the code alone and is asked for once.
    """
    try:
        found = json.loads(kept_with_parsed(settings, version, _UNIT_TESTS) or "{}")
        return {unique_id: Check(**check) for unique_id, check in found.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def keep_passed_unit_tests(settings: Settings, version: str, unit_tests: Mapping[str, Check]) -> None:
    """Note the unit tests of a version of the code, where all of them passed."""
    if unit_tests and all(check.status == PASSED for check in unit_tests.values()):
        content = {unique_id: asdict(check) for unique_id, check in unit_tests.items()}
        keep_parsed(settings, version, _UNIT_TESTS, json.dumps(content, ensure_ascii=False, indent=1))


def keep_parsed(settings: Settings, version: str, name: str, text: str) -> bool:
    """Keep a file that depends on a version of the code alone beside what dbt parsed of it; says whether it was."""
    folder = parsed_folder(settings, version)
    with file_lock(_parsing_lock(settings)):
        if not folder.is_dir():
            return False
        write_in_one_step(folder / name, text)
        checksums = _checksums(folder) | {name: file_sha256(folder / name)}
        write_in_one_step(folder / _CHECKSUMS, json.dumps(checksums, indent=1))
    return True


def kept_with_parsed(settings: Settings, version: str, name: str) -> str | None:
    """What ``keep_parsed`` has kept under a name; None where it is not there, or not what was kept."""
    folder = parsed_folder(settings, version)
    try:
        if _checksums(folder).get(name) == file_sha256(folder / name):
            return (folder / name).read_text(encoding="utf-8")
    except (OSError, ValueError):
        pass
    return None


def table_row_counts(settings: Settings, build: Build) -> dict[str, int]:
    """The rows of every table and view of the build, by name; empty where there is no database."""
    if not build.database.is_file():
        return {}
    with open_database(build.database, paths=settings.landed_paths) as connection:
        names = connection.execute(
            "select table_schema, table_name from information_schema.tables where table_catalog = 'build'"
        ).fetchall()
        return {
            f"{schema}.{name}": connection.execute(
                f"select count(*) from {identifier(schema)}.{identifier(name)}"
            ).fetchone()[0]
            for schema, name in names
        }
