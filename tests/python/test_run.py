"""The console script from the outside: faults stop publishing and change nothing, locks hold, exit codes are right."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from support import Published, city_index, copy_home, wrong_with

from city_index.checksums import file_sha256
from city_index.lock import lock_holder
from city_index.settings import PROJECT_DIRECTORY


def edit(path: Path, change: Callable[[str], str]) -> None:
    text = path.read_text(encoding="utf-8")
    changed = change(text)
    assert changed != text
    path.write_text(changed, encoding="utf-8")


def published_files(home: Path) -> dict[str, str]:
    folder = home / "published"
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def home(published: Published, tmp_path: Path) -> Path:
    return copy_home(published.home, tmp_path / "home")


def run_until_dbt_builds(home: Path) -> subprocess.Popen[str]:
    """Start a run on a home; gives its process once dbt has begun to build."""
    shutil.rmtree(home / "warehouse" / "build")
    run = subprocess.Popen(
        [sys.executable, "-m", "city_index", "run"],
        cwd=PROJECT_DIRECTORY,
        env={**os.environ, "CITY_INDEX_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (home / "warehouse" / "build" / "build.duckdb").exists():
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return run


RAW_FAULTS = {
    "a NaN": (
        "observations.csv",
        lambda text: text.replace(
            "beijing,infra_platform_population_db,100", "beijing,infra_platform_population_db,NaN"
        ),
        "beijing",
    ),
    "a lost city": (
        "observations.csv",
        lambda text: "".join(line for line in text.splitlines(keepends=True) if ",lhasa," not in line),
        "lhasa",
    ),
    "weights of 97 %": (
        "frameworks.csv",
        lambda text: text.replace(
            "医疗数字化基础设施,Healthcare digital infrastructure,0.35",
            "医疗数字化基础设施,Healthcare digital infrastructure,0.32",
        ),
        "weight_percent=97.0",
    ),
}


@pytest.mark.parametrize("fault", RAW_FAULTS)
def test_a_fault_in_the_inputs_stops_publishing(project_copy: Path, home: Path, fault: str) -> None:
    file_name, change, named = RAW_FAULTS[fault]
    edit(project_copy / "seeds" / file_name, change)
    before = published_files(home)
    refused = city_index("run", home=home, project=project_copy)
    assert refused.returncode == 4, refused.stderr
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.startswith("city-index: a quality gate refused: ")
    assert file_name in refused.stderr
    assert named in refused.stderr
    assert published_files(home) == before


def test_a_failed_dbt_test_stops_publishing_and_names_the_rows(project_copy: Path, home: Path) -> None:
    seed = project_copy / "seeds" / "observations.csv"
    edit(seed, lambda text: text + text.splitlines()[1] + "\n")
    before = published_files(home)
    refused = city_index("run", home=home, project=project_copy)
    assert refused.returncode == 4, refused.stderr
    assert "stg_observation_versions: unique_combination_of_columns" in refused.stderr
    assert (
        "city_code=beijing, indicator_code=infra_platform_population_db, batch_number=0, row_count=2" in refused.stderr
    )
    assert published_files(home) == before


def _add_city_to_last_release(home: Path) -> None:
    """Make the published release one that held another city; its manifest agrees."""
    manifest_file = home / "published" / "manifest.json"
    manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
    for folder in (home / "published", home / "releases" / manifest["release_id"]):
        database = folder / "city_index.duckdb"
        with duckdb.connect(str(database)) as connection:
            connection.execute(
                "insert into fct_city_scores select * replace ('atlantis' as city_code) from fct_city_scores limit 1"
            )
        manifest["files"]["city_index.duckdb"] = {"sha256": file_sha256(database), "bytes": database.stat().st_size}
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_a_killed_run_leaves_no_lock_and_a_city_lost_since_the_last_release_stops_the_next(home: Path) -> None:
    _add_city_to_last_release(home)
    before = published_files(home)
    run = run_until_dbt_builds(home)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    assert lock_holder(home / "rebuild.lock") is None
    assert published_files(home) == before
    refused = city_index("run", home=home)
    assert refused.returncode == 4, refused.stderr
    assert "no_city_is_lost_since_the_last_release" in refused.stderr
    assert "atlantis" in refused.stderr
    assert published_files(home) == before
    doctor = city_index("doctor", home=home)
    assert doctor.returncode == 1
    assert "the last rebuild failed" in doctor.stdout
    stamp = (home / "published" / "city_index.duckdb").stat().st_mtime_ns
    accepted = city_index("run", "--accept-removals", home=home)
    assert accepted.returncode == 0, accepted.stderr
    assert "warning: fct_city_scores: no_city_is_lost_since_the_last_release" in accepted.stdout
    assert "stays published" in accepted.stdout
    assert published_files(home) == before
    assert (home / "published" / "city_index.duckdb").stat().st_mtime_ns == stamp
    assert "last run    unchanged" in city_index("status", home=home).stdout


def test_a_project_that_cannot_be_parsed_is_no_refusal_of_an_earlier_build(project_copy: Path, home: Path) -> None:
    model = project_copy / "models" / "marts" / "dim_tiers.sql"
    edit(model, lambda text: text.replace("ref('stg_tiers')", "ref('no_such_model')"))
    refused = city_index("run", home=home, project=project_copy)
    assert refused.returncode == 1, refused.stderr
    assert "dbt cannot parse the project" in refused.stderr
    assert "no_such_model" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_no_input_is_nothing_publishable(project_copy: Path, tmp_path: Path) -> None:
    for seed in (project_copy / "seeds").glob("*.csv"):
        seed.unlink()
    refused = city_index("run", home=tmp_path / "home", project=project_copy)
    assert refused.returncode == 3, refused.stderr
    assert "there is no input file" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_no_observation_is_nothing_publishable(project_copy: Path, home: Path) -> None:
    edit(project_copy / "seeds" / "observations.csv", lambda text: text.splitlines(keepends=True)[0])
    before = published_files(home)
    refused = city_index("run", home=home, project=project_copy)
    assert refused.returncode == 3, refused.stderr
    assert "the inputs hold no observation" in refused.stderr
    assert published_files(home) == before


def test_a_second_rebuild_leaves_at_once_and_names_the_holder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with (home / "rebuild.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(json.dumps({"what": "Dagster run 1a2b", "pid": 7, "host": "here", "since_utc": "2026-01-01"}))
        stream.flush()
        for command in (["run"], ["rollback", "any"]):
            refused = city_index(*command, home=home)
            assert refused.returncode == 5, refused.stderr
            assert "another rebuild is running: Dagster run 1a2b, process 7 on here" in refused.stderr
        assert "running: Dagster run 1a2b" in city_index("status", home=home).stdout
    assert not (home / "releases").exists()


def _children(pid: int) -> dict[str, int]:
    """The helpers of a process, by the module they run."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text().split("\0")
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError):
            continue
        if parent == pid and "city_index.helper_process" in words:
            # Its lock file, its temporary folder and its parent stand between the two.
            found[words[words.index("city_index.helper_process") + 4]] = int(folder.name)
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
@pytest.mark.parametrize(
    ("victim", "said"),
    [
        ("city_index.gates.worker", "the gate worker ended with exit code -9"),
        ("city_index.dbt_process", "dbt ended before it wrote its results"),
    ],
)
def test_a_helper_process_that_is_killed_is_an_unexpected_error_with_its_reason(
    home: Path, victim: str, said: str
) -> None:
    before = published_files(home)
    run = run_until_dbt_builds(home)
    os.kill(_children(run.pid)[victim], signal.SIGKILL)
    _, stderr = run.communicate(timeout=120)
    assert run.returncode == 1, stderr
    assert said in stderr
    assert stderr.count("\n") == 1
    assert published_files(home) == before


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["no-such-command"], {}, "No such command"),
        (["run", "--no-such-option"], {}, "No such option"),
        (["status"], {"CITY_INDEX_ENV": "moon"}, "CITY_INDEX_ENV is 'moon'"),
        (["status"], {"CITY_INDEX_RELEASES_KEPT": "0"}, "CITY_INDEX_RELEASES_KEPT is '0'"),
        (["status"], {"CITY_INDEX_RELEASES_KEPT": "²"}, "CITY_INDEX_RELEASES_KEPT is '²'"),
        (["run"], {"CITY_INDEX_WEBHOOK_URL": "file:///etc/passwd"}, "CITY_INDEX_WEBHOOK_URL does not begin"),
        (["status"], {"home": "~nobody-of-that-name/x"}, "there is no such user's home"),
        (["rollback", "never"], {}, "there is no release never"),
        (["verify", "never"], {}, "there is no release never"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], said: str
) -> None:
    refused = city_index(*arguments, **{"home": tmp_path / "home", **environment})
    assert refused.returncode == 2
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert "Traceback" not in refused.stderr


def test_an_unwritable_home_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the home should be", encoding="utf-8")
    refused = city_index("run", home=tmp_path / "home")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert str(tmp_path / "home") in refused.stderr
    for arguments in (["--debug", "run"], ["run", "--debug"]):
        assert "Traceback" in city_index(*arguments, home=tmp_path / "home").stderr


def test_without_a_command_the_help_is_shown(tmp_path: Path) -> None:
    shown = city_index(home=tmp_path / "home")
    assert shown.returncode == 2
    assert "Commands:\n" in shown.stdout


def test_an_empty_home_is_told_what_to_do(tmp_path: Path) -> None:
    status = city_index("status", home=tmp_path / "home")
    assert status.returncode == 0
    assert "nothing yet; run `city-index run`" in status.stdout
    assert "run `city-index run`" in city_index("releases", home=tmp_path / "home").stdout
    verified = city_index("verify", home=tmp_path / "home")
    assert verified.returncode == 1
    assert "nothing is published" in verified.stderr


def test_status_and_doctor_of_a_healthy_home(published: Published) -> None:
    status = city_index("status", home=published.home).stdout
    assert f"database    {published.database}" in status
    assert "rebuild     not running" in status
    assert "Reconstructed observations" in status
    assert wrong_with(published.home) == []
