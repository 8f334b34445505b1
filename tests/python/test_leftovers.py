"""What killed runs leave behind goes with the next one: helpers, temporary files, half-written files, old wishes."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from city_index.builds import parsed_folder, parsed_project
from city_index.checksums import file_sha256
from city_index.cli import _home_problem
from city_index.cli.ingest import _copy, _place
from city_index.database import connect
from city_index.errors import CityIndexError, GateRefused, NothingPublishable, UsageError
from city_index.hashing import code_version
from city_index.health import problems
from city_index.helper_process import wait_for_helpers
from city_index.landing.door import copy_in_progress
from city_index.last_run import read_last_run
from city_index.leftovers import remove_leftovers
from city_index.lock import file_lock, rebuild_lock
from city_index.observability.events import read_events
from city_index.releases import store
from city_index.releases.manifest import Manifest
from city_index.session import rebuild_session
from city_index.settings import PROJECT_DIRECTORY, Settings
from city_index.temporary import temporary_files_in
from reliability.invariants import nothing_left_over, published_files_belong, run_city_index
from reliability.killing.homes import keep_release, small_home

# A helper that says that it has begun and would then stay for a long time.
_HELPER = """
import tempfile, time
from pathlib import Path
Path("began").write_text(tempfile.gettempdir())
print("began", flush=True)
time.sleep(600)
"""
_PARENT = """
import subprocess, sys
from pathlib import Path
from city_index.helper_process import helper_command
helper = subprocess.Popen(helper_command(Path("helpers.lock"), Path("temporary").absolute(), "a_helper"))
print(helper.pid, flush=True)
helper.wait()
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with two kept releases, the newer one published."""
    return small_home(tmp_path / "home")


def _start_parent(folder: Path) -> subprocess.Popen[str]:
    (folder / "a_helper.py").write_text(_HELPER, encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-c", _PARENT],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{PROJECT_DIRECTORY}:{folder}"},
        stdout=subprocess.PIPE,
        text=True,
    )


def _is_running(pid: int) -> bool:
    try:
        # The state of a process that has ended and was not waited for is Z.
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _open_files(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_a_helper_ends_with_its_parent_and_is_waited_for(tmp_path: Path) -> None:
    parent = _start_parent(tmp_path)
    try:
        helper, began = int(parent.stdout.readline()), parent.stdout.readline()
        assert began == "began\n"
        assert (tmp_path / "began").read_text() == str(tmp_path / "temporary")
        assert _is_running(helper)
    finally:
        os.kill(parent.pid, signal.SIGKILL)
    wait_for_helpers(tmp_path / "helpers.lock")
    # The lock goes as the last of its files does, a moment before the system counts the process as ended.
    assert _open_files(helper) == []
    parent.communicate()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_a_helper_that_starts_after_its_parent_was_killed_does_nothing(tmp_path: Path) -> None:
    with file_lock(tmp_path / "helpers.lock"):
        parent = _start_parent(tmp_path)
        helper = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        assert _is_running(helper)
    # The helper holds the other end of the pipe: it ends when the helper does.
    assert parent.stdout.read() == ""
    assert not (tmp_path / "began").exists()


def test_temporary_files_of_a_rebuild_stand_in_the_home_and_go(tmp_path: Path) -> None:
    folder, before = tmp_path / "home" / "temporary", tempfile.gettempdir()
    folder.mkdir(parents=True)
    (folder / "of_a_killed_run").write_bytes(b"")
    with temporary_files_in(folder):
        assert list(folder.iterdir()) == []
        with tempfile.NamedTemporaryFile() as file, connect() as connection:
            assert Path(file.name).parent == folder
            assert connection.execute("select current_setting('temp_directory')").fetchone() == (f"{folder}/spilled",)
    assert not folder.exists()
    assert tempfile.gettempdir() == before


@pytest.mark.parametrize(
    "name",
    [
        ".last_run.json.tmp",
        ".rollback.json.tmp",
        "dagster/.dagster.yaml.tmp",
        "landing/cities/.city-index-0123456789abcdef.part",
        "landing_work/1/rows.parquet",
        "releases/.staging-x/city_index.duckdb",
        "releases/.removing-20260105T000000Z-00000000/csv/fct_0.csv",
        "published/.manifest.json.tmp",
        "published/csv/.fct_0.csv.publishing",
        "temporary/dbt/x",
    ],
)
def test_what_was_left_half_done_goes(settings: Settings, name: str) -> None:
    path = settings.home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half")
    remove_leftovers(settings)
    assert not path.exists()
    assert nothing_left_over(settings) == []
    assert store.published_faults(settings) == []


def test_a_kept_release_whose_manifest_is_gone_stays_and_is_named(settings: Settings) -> None:
    newest, _before = store.kept_releases(settings)
    folder = settings.releases / newest.release_id
    (folder / "manifest.json").rename(settings.home / "aside")
    files = sorted(folder.rglob("*"))
    remove_leftovers(settings)
    assert sorted(folder.rglob("*")) == files
    assert any(f"{folder} has no manifest of its own that can be read" in line for line in problems(settings))
    (settings.home / "aside").rename(folder / "manifest.json")
    assert store.kept_releases(settings)[0] == newest


def test_a_removal_that_is_cut_short_is_taken_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    newest, before = store.kept_releases(settings)
    one_release = replace(settings, releases_kept=1)

    def killed(folder: Path) -> None:
        (folder / "city_index.duckdb").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(store.shutil, "rmtree", killed)
        store.prune(one_release)
    assert store.kept_releases(settings) == [newest]
    assert any("left" in line for line in problems(settings))
    remove_leftovers(settings)
    assert [path.name for path in settings.releases.iterdir()] == [newest.release_id], before.release_id


def test_what_was_parsed_halfway_or_of_other_code_goes(settings: Settings) -> None:
    parsed = parsed_folder(settings, code_version(settings))
    others = [
        settings.warehouse / f".{parsed.name}",
        settings.warehouse / ".parsed-0123456789ab-77",
        settings.warehouse / "parsed-0123456789ab",
    ]
    for folder in (parsed, *others):
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text('{"nodes": 1}', encoding="utf-8")
    (parsed / "partial_parse.msgpack").write_bytes(b"parsed")
    checksums = {path.name: file_sha256(path) for path in parsed.iterdir()}
    (parsed / "checksums.json").write_text(json.dumps(checksums), encoding="utf-8")
    (parsed / ".unit_tests.json").write_text("half", encoding="utf-8")
    assert parsed_project(settings) == parsed
    assert list(settings.warehouse.iterdir()) == [parsed]
    assert {path.name for path in parsed.iterdir()} == {*checksums, "checksums.json"}


def test_a_copy_that_is_still_being_made_stays(settings: Settings) -> None:
    folder = settings.landing / "cities"
    folder.mkdir(parents=True)
    with copy_in_progress(folder) as copy:
        remove_leftovers(settings)
        assert copy.is_file()
    assert list(folder.iterdir()) == []


def test_nothing_that_is_named_like_a_copy_stops_a_run(settings: Settings, tmp_path: Path) -> None:
    folder = settings.landing / "cities"
    (folder / ".city-index-a.part").mkdir(parents=True)
    (folder / ".city-index-a.part" / "mine.csv").write_text("mine", encoding="utf-8")
    os.mkfifo(folder / ".city-index-b.part")
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    (folder / ".city-index-c.part").symlink_to(tmp_path / "mine")
    (folder / ".city-index-d.part").write_text("half", encoding="utf-8")
    remove_leftovers(settings)
    assert [path.name[-6] for path in sorted(folder.iterdir())] == ["a", "b", "c"]
    assert (tmp_path / "mine").is_file()


@pytest.mark.parametrize("name", ["temporary", "landing_work"])
@pytest.mark.parametrize("is_link", [False, True])
def test_what_stands_in_the_place_of_a_folder_of_a_run_is_named_and_stays(
    settings: Settings, tmp_path: Path, name: str, is_link: bool
) -> None:
    place = settings.home / name
    if is_link:
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.write_text("mine", encoding="utf-8")
    (said,) = [problem for problem in problems(settings) if str(place) in problem]
    assert "move it away" in said
    with (
        pytest.raises(CityIndexError, match=f"{name} is not a folder of this home; move away what stands there"),
        rebuild_session(settings, "test") as session,
    ):
        session.land()
    assert os.path.lexists(place)
    place.unlink()
    with temporary_files_in(settings.temporary):
        assert settings.temporary.is_dir()


def test_files_of_one_name_that_are_ingested_at_one_moment_all_arrive(tmp_path: Path) -> None:
    folder, count = tmp_path / "landing" / "cities", 8
    files = []
    for number in range(count):
        (tmp_path / str(number)).mkdir()
        files.append(tmp_path / str(number) / "a.csv")
        files[-1].write_text(f"{number // 2}", encoding="utf-8")
    with ThreadPoolExecutor(count) as pool:
        said = list(pool.map(lambda file: _copy(file, folder, file.name), files))
    assert sorted(path.read_text(encoding="utf-8") for path in folder.iterdir()) == ["0", "1", "2", "3"]
    assert sum("lies in" in each for each in said) == count // 2
    # A name that is taken between the look and the move is not taken over.
    assert not _place(files[0], next(folder.iterdir()))


def _interrupt_activation(monkeypatch: pytest.MonkeyPatch, settings: Settings, release_id: str) -> None:
    """A rollback that is cut short before it has replaced a file."""

    def cut_short(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store, "activate", cut_short)
        with pytest.raises(KeyboardInterrupt):
            store.roll_back(settings, release_id)


def test_the_rollback_that_was_asked_for_last_holds(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    newer, older = store.kept_releases(settings)
    _interrupt_activation(monkeypatch, settings, older.release_id)
    assert store.wanted_release(settings) == older
    # The newer one is still the published one; asking for it takes the wish for the older one back.
    assert store.roll_back(settings, newer.release_id).release_id == newer.release_id
    assert store.publish_wanted(settings) is None
    assert store.current_release(settings).release_id == newer.release_id
    with pytest.raises(UsageError, match="is the published one already"):
        store.roll_back(settings, newer.release_id)


def test_a_release_that_was_kept_and_not_published_does_not_overrule_a_rollback(settings: Settings) -> None:
    published = store.current_release(settings).release_id
    newest = keep_release(settings, 3)
    assert store.wanted_release(settings) == newest
    assert store.roll_back(settings, published).release_id == published
    assert store.publish_wanted(settings) is None
    assert store.current_release(settings).release_id == published


def test_a_run_that_was_killed_between_keeping_and_publishing_is_completed(settings: Settings) -> None:
    newest = keep_release(settings, 3)
    assert store.publish_wanted(settings) == newest
    assert store.current_release(settings).release_id == newest.release_id
    assert store.published_faults(settings) == []


def test_files_of_a_publication_that_was_cut_short_go_with_the_next(settings: Settings) -> None:
    newer, older = store.kept_releases(settings)
    # The older release has a file that the newer one has not, and its publication got that far.
    (settings.published / "only_1.txt").write_bytes((settings.releases / older.release_id / "only_1.txt").read_bytes())
    (settings.published / "city_index.duckdb").write_bytes(b"half")
    assert store.publish_wanted(settings).release_id == newer.release_id
    assert not (settings.published / "only_1.txt").exists()
    assert nothing_left_over(settings) == []


def _cut_activation_short(monkeypatch: pytest.MonkeyPatch, settings: Settings, release: Manifest) -> None:
    """A publication that is cut short after it has replaced the database."""

    def cut_short(source: Path, target: Path) -> None:
        if target != settings.published_database:
            raise KeyboardInterrupt
        replace_file(source, target)

    replace_file = store._replace_file
    with monkeypatch.context() as patched:
        patched.setattr(store, "_replace_file", cut_short)
        with pytest.raises(KeyboardInterrupt):
            store.activate(settings, release)
    assert store.published_faults(settings) != []


@pytest.mark.parametrize("number", [0, 1])
def test_a_publication_that_was_cut_short_is_completed_by_a_run_that_fails(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Also where the manifest names the release that is wanted, as after a rollback from one that never got through."""
    newer, older = store.kept_releases(settings)
    if number:
        store.roll_back(settings, older.release_id)
        _cut_activation_short(monkeypatch, settings, newer)
    else:
        _cut_activation_short(monkeypatch, settings, keep_release(settings, 3))
    wanted = store.wanted_release(settings)
    with pytest.raises(GateRefused), rebuild_session(settings, "a test"):
        raise GateRefused("a gate refused")
    assert store.published_faults(settings) == []
    assert store.current_release(settings).release_id == wanted.release_id
    assert read_last_run(settings).outcome == "failed"
    told = [event for event in read_events(settings) if event["event"] == "release_published"]
    assert [event["outcome"] for event in told] == ["restored" if number else "published"]
    assert not store.activation_mark(settings).exists()


def test_a_rollback_that_is_refused_completes_what_was_cut_short(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = keep_release(settings, 3)
    _cut_activation_short(monkeypatch, settings, newest)
    refused = run_city_index(settings, "rollback", "20200101T000000Z-00000000")
    assert refused.returncode == 2, refused.stderr
    assert store.current_release(settings).release_id == newest.release_id
    assert store.published_faults(settings) == [] and not store.activation_mark(settings).exists()


def test_what_stands_in_the_way_of_completing_ends_no_run(settings: Settings) -> None:
    published = store.current_release(settings)
    newest = keep_release(settings, 3)
    (settings.releases / newest.release_id / "only_3.txt").write_bytes(b"damaged")
    with rebuild_session(settings, "a test") as session:
        assert session.completed is None
    assert store.current_release(settings) == published


def test_asking_who_holds_the_lock_refuses_no_rebuild(tmp_path: Path) -> None:
    lock_file = tmp_path / "rebuild.lock"
    with lock_file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        end = threading.Timer(0.1, fcntl.flock, (stream, fcntl.LOCK_UN))
        end.start()
        with rebuild_lock(lock_file, "a test"):
            assert json.loads(lock_file.read_text(encoding="utf-8"))["what"] == "a test"
        end.join()


@pytest.mark.parametrize(
    ("home", "said"),
    [
        ("file/home", "Not a directory"),
        ("file", "Not a directory"),
        ("new/home", ""),
    ],
)
def test_looking_whether_a_home_can_be_made_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str, said: str
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("CITY_INDEX_HOME", str(tmp_path / home))
    problem = _home_problem()
    assert said in problem if said else problem is None
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_run_that_fails_before_its_first_step_is_recorded(tmp_path: Path) -> None:
    settings = Settings(project_directory=tmp_path / "project", home=tmp_path / "home")
    with pytest.raises(NothingPublishable), rebuild_session(settings, "a test"):
        pass
    last = read_last_run(settings)
    assert (last.what, last.outcome) == ("a test", "failed")
    assert "there is no input file" in last.reason


def test_files_of_three_releases_never_stand_together(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollback is cut short at every file, and the one to yet another release after it too."""
    keep_release(settings, 3)
    store.publish_wanted(settings)
    newest, middle, oldest = (manifest.release_id for manifest in store.kept_releases(settings))
    replace_file = store._replace_file

    def roll_back_cut_short(release_id: str, files: int) -> bool:
        count = iter(range(files))

        def counted(*arguments: object) -> None:
            if next(count, None) is None:
                raise KeyboardInterrupt
            replace_file(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(store, "_replace_file", counted)
            try:
                store.roll_back(settings, release_id)
            except KeyboardInterrupt:
                return True
        return False

    tries = 0
    for files in range(1, 200, 3):
        assert roll_back_cut_short(oldest, 2)
        was_cut_short = roll_back_cut_short(middle, files)
        assert published_files_belong(settings) == []
        store.roll_back(settings, newest)
        assert store.published_faults(settings) == []
        tries += was_cut_short
        if not was_cut_short:
            break
    assert tries > 3
