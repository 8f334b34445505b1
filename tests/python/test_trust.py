"""Trust in what lies in a home: links and paths that lead out of it, who may write it, who may reach its server."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from landing_files import CITIES, make_door
from support import Published, city_index, copy_home, copy_project

from city_index.errors import CityIndexError, UsageError
from city_index.health import problems
from city_index.landing.raw_store import RawStore
from city_index.permissions import make_published_folders, state_umask, writable_by_others
from city_index.releases import store
from city_index.releases.manifest import Manifest, is_inside, list_files, write_manifest
from city_index.settings import PROJECT_DIRECTORY, SECRETS, Settings
from orchestration.loopback import asked_hosts, is_loopback, own_processes, refuse_remote_servers

RELEASE_ID = "20260101T000000Z-00000000"


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """A home with one small release, kept and published."""
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=tmp_path / "home")
    folder = settings.releases / RELEASE_ID
    (folder / "csv").mkdir(parents=True)
    (folder / "city_index.duckdb").write_bytes(b"a database")
    (folder / "csv" / "a.csv").write_text("a\n1\n", encoding="utf-8")
    manifest = Manifest(RELEASE_ID, 1, "2026-01-01T00:00:00Z", "1", "2", "3", "4", "5", "", {}, {}, list_files(folder))
    write_manifest(folder, manifest)
    store.activate(settings, manifest)
    return settings


def the_release(settings: Settings) -> Manifest:
    (manifest,) = store.kept_releases(settings)
    return manifest


def claim(settings: Settings, name: str, target: Path) -> Manifest:
    """Have the kept and the published manifest list one file more, with its right checksum."""
    manifest = the_release(settings)
    entry = list_files(target.parent)[target.name]
    claimed = replace(manifest, files={**manifest.files, name: entry})
    for folder in (settings.releases / RELEASE_ID, settings.published):
        write_manifest(folder, claimed)
    return claimed


@pytest.mark.parametrize("name", ["../secret", "csv/../../../secret", "/etc/hostname", "", ".", "a\0b", "csv/.."])
def test_a_manifest_that_leads_out_of_its_folder_is_refused(home: Settings, name: str) -> None:
    outside = home.releases / "secret"
    outside.write_text("secret", encoding="utf-8")
    manifest = claim(home, name, outside)
    assert not is_inside(name)
    assert any("does not lie in" in fault for fault in store.release_faults(home, manifest))
    assert any("does not lie in" in fault for fault in store.published_faults(home))
    with pytest.raises(CityIndexError, match="does not lie in"):
        store.activate(home, manifest)
    with pytest.raises(CityIndexError, match="does not lie in"):
        store.roll_back(home, RELEASE_ID)
    for arguments in (("verify",), ("verify", RELEASE_ID), ("rollback", RELEASE_ID)):
        done = city_index(*arguments, home=home.home)
        assert done.returncode == 1 and "does not lie in" in done.stdout + done.stderr, arguments
        assert "Traceback" not in done.stderr
    assert outside.read_text(encoding="utf-8") == "secret"


def test_files_outside_are_never_removed_for_a_manifest_that_names_them(home: Settings, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("x", encoding="utf-8")
    sound = the_release(home)
    stale = replace(
        sound,
        files={
            **sound.files,
            "../../precious": {"sha256": "0", "bytes": 1},
            str(precious): {"sha256": "0", "bytes": 1},
        },
    )
    write_manifest(home.published, stale)
    store.activate(home, sound)
    assert precious.exists()


def test_links_in_a_release_are_refused_and_not_followed(home: Settings, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.csv").write_text("a\n1\n", encoding="utf-8")
    manifest = the_release(home)
    path = home.releases / RELEASE_ID / "csv" / "a.csv"
    path.unlink()
    path.symlink_to(outside / "a.csv")
    # The bytes are right; it is still no file of the release.
    assert ["is a link" in fault for fault in store.release_faults(home, manifest)] == [True]
    path.unlink()
    path.parent.rmdir()
    path.parent.symlink_to(outside)
    with pytest.raises(CityIndexError, match="is a link"):
        store.activate(home, manifest)


def test_a_link_in_the_place_of_a_release_is_none(home: Settings, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    os.rename(home.releases / RELEASE_ID, elsewhere)
    (home.releases / RELEASE_ID).symlink_to(elsewhere)
    assert store.kept_releases(home) == []
    for command in ("verify", "rollback"):
        done = city_index(command, RELEASE_ID, home=home.home)
        assert done.returncode == 1 and "is a link, which is not followed" in done.stderr
    assert any(str(home.releases / RELEASE_ID) in problem for problem in problems(home))


def test_links_among_what_is_published_are_replaced_or_refused(home: Settings, tmp_path: Path) -> None:
    manifest, outside = the_release(home), tmp_path / "outside"
    outside.mkdir()
    (outside / "target").write_text("untouched", encoding="utf-8")
    for name in ("city_index.duckdb", ".city_index.duckdb.publishing", ".manifest.json.tmp"):
        (home.published / name).unlink(missing_ok=True)
        if "manifest" not in name:
            (home.published / name).symlink_to(outside / "target")
    assert any("is a link" in fault for fault in store.published_faults(home))
    store.activate(home, manifest)
    assert (outside / "target").read_text(encoding="utf-8") == "untouched"
    assert store.published_faults(home) == []
    for path in (home.published / "csv").iterdir():
        path.unlink()
    (home.published / "csv").rmdir()
    (home.published / "csv").symlink_to(outside)
    with pytest.raises(CityIndexError, match="is a link where a folder is to be published"):
        store.activate(home, manifest)
    assert [path.name for path in outside.iterdir()] == ["target"]


def test_links_in_raw_are_refused_and_not_followed(tmp_path: Path) -> None:
    door = make_door(tmp_path / "home")
    door.drop("cities", "x.csv", CITIES)
    door.land()
    (batch,) = RawStore(door.settings).files("cities")
    elsewhere = tmp_path / batch.name
    os.rename(batch, elsewhere)
    batch.symlink_to(elsewhere)
    with pytest.raises(CityIndexError, match="is a link, which is not followed"):
        RawStore(door.settings).records()


def test_a_file_that_becomes_something_else_is_not_opened(tmp_path: Path) -> None:
    """Between the look into the folder and the reading a file gives way to a pipe, which would never end."""
    from city_index.contracts import contracts
    from city_index.database import connect
    from city_index.landing.csv_files import UnreadableFile
    from city_index.landing.staging import stage

    work = tmp_path / "work"
    for number, make in enumerate((os.mkfifo, lambda path: path.symlink_to("/etc/passwd"))):
        source, folder = tmp_path / f"{number}.csv", work / str(number)
        folder.mkdir(parents=True)
        make(source)
        with connect(paths=[tmp_path]) as connection, pytest.raises(UnreadableFile, match="not a file"):
            stage(connection, contracts()["cities"], source, folder)


def test_a_file_that_cannot_be_linked_is_read_through_one_opening(tmp_path: Path) -> None:
    """As for a file of another user, or on another file system: what is read is a copy, and still no pipe or link."""
    from city_index.contracts import contracts
    from city_index.database import connect
    from city_index.landing.csv_files import UnreadableFile
    from city_index.landing.staging import stage

    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system here")
    with tempfile.TemporaryDirectory(dir=elsewhere) as folder:
        plain, pipe, link = (Path(folder) / f"{name}.csv" for name in ("plain", "pipe", "link"))
        plain.write_text(CITIES, encoding="utf-8")
        os.mkfifo(pipe)
        link.symlink_to(plain)
        for source in (pipe, link):
            (tmp_path / source.stem).mkdir()
            with connect(paths=[tmp_path]) as connection, pytest.raises(UnreadableFile, match="not a file"):
                stage(connection, contracts()["cities"], source, tmp_path / source.stem)
        with connect(paths=[tmp_path]) as connection:
            assert stage(connection, contracts()["cities"], plain, tmp_path).received == CITIES.count("\n") - 1
        assert (tmp_path / "input.csv").read_text(encoding="utf-8") == CITIES


def test_verify_names_every_kind_of_damage(home: Settings) -> None:
    folder = home.releases / RELEASE_ID
    assert city_index("verify", RELEASE_ID, home=home.home).returncode == 0
    (folder / "csv" / "a.csv").write_text("a\n2\n", encoding="utf-8")
    (folder / "city_index.duckdb").unlink()
    (folder / "csv" / "extra.csv").write_text("a\n", encoding="utf-8")
    done = city_index("verify", RELEASE_ID, home=home.home)
    assert done.returncode == 1
    assert sorted(line.removeprefix(f"{folder}/") for line in done.stdout.splitlines()) == [
        "city_index.duckdb is missing",
        "csv/a.csv differs from its manifest",
        "csv/extra.csv is not in the manifest",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_verify_names_a_file_that_cannot_be_read(home: Settings) -> None:
    path = home.releases / RELEASE_ID / "csv" / "a.csv"
    path.chmod(0)
    done = city_index("verify", RELEASE_ID, home=home.home)
    assert done.returncode == 1 and f"{path} cannot be read" in done.stdout


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_published_is_for_everybody_to_read_and_nothing_else_is(home: Settings) -> None:
    for path in [home.published, *home.published.rglob("*")]:
        assert mode(path) == (0o755 if path.is_dir() else 0o644), path
    with state_umask():
        (home.home / "state").write_text("x", encoding="utf-8")
        (home.home / "folder").mkdir()
    assert (mode(home.home / "state"), mode(home.home / "folder")) == (0o640, 0o750)


def test_a_home_that_is_made_lets_others_pass_to_what_is_published(tmp_path: Path) -> None:
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=tmp_path / "new")
    with state_umask():
        make_published_folders(settings, settings.published / "report" / "zh")
    assert mode(settings.home) == 0o751
    assert {mode(path) for path in settings.home.rglob("*")} == {0o755}
    # A home that a person made keeps its mode.
    settings.home.chmod(0o700)
    make_published_folders(settings, settings.published)
    assert mode(settings.home) == 0o700


def test_doctor_names_what_everybody_may_write(home: Settings) -> None:
    (home.landing / "cities").mkdir(parents=True)
    (home.landing / "cities").chmod(0o777)  # somebody opened the door on purpose
    assert not writable_by_others(home)
    (home.releases / RELEASE_ID / "csv" / "a.csv").chmod(0o666)
    assert writable_by_others(home) == [home.releases / RELEASE_ID / "csv" / "a.csv"]
    (said,) = (problem for problem in problems(home) if "written by everybody" in problem)
    assert "a.csv" in said and "chmod o-w" in said


@pytest.mark.slow
def test_a_published_home_has_these_modes(published: Published) -> None:
    settings = published.settings
    for path in [settings.published, *settings.published.rglob("*")]:
        assert mode(path) & 0o777 == (0o755 if path.is_dir() else 0o644), path
    for folder in (settings.releases, settings.warehouse, settings.raw, settings.dagster_home):
        for path in [folder, *folder.rglob("*")]:
            assert not mode(path) & 0o007, path
    assert writable_by_others(settings) == []


@pytest.mark.parametrize(
    ("command", "hosts"),
    [
        ("dagster dev --host 0.0.0.0", ["0.0.0.0"]),
        ("/usr/bin/python3 /venv/bin/dagster dev -h ::", ["::"]),
        ("python -m dagster dev --host=10.0.0.1 --port 3000", ["10.0.0.1"]),
        ("python -m dagster_webserver -h0.0.0.0", ["0.0.0.0"]),
        ("dagster-webserver -h example.org -p 80", ["example.org"]),
        ("dg dev --host 127.0.0.1", ["127.0.0.1"]),
        ("dagster api grpc --host 0.0.0.0 --port 4000", ["0.0.0.0"]),
        ("dagster dev", []),
        ("ssh -h 0.0.0.0", []),
        ("bash -c something --host 0.0.0.0", []),
    ],
)
def test_the_host_of_a_command_of_dagster_is_seen(command: str, hosts: list[str]) -> None:
    assert asked_hosts(command.split(), {}) == hosts


def test_hosts_beyond_this_machine_are_refused_unless_allowed() -> None:
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=Path("/nowhere"))
    for host in ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"):
        assert is_loopback(host)
        refuse_remote_servers(settings, iter([(["dagster", "dev", "--host", host], {})]))
    for host in ("0.0.0.0", "::", "192.168.1.2", "example.org", "0", "2130706433", ""):
        assert not is_loopback(host)
        with pytest.raises(UsageError, match="other machines reach it"):
            refuse_remote_servers(settings, iter([(["dagster-webserver", f"--host={host}"], {})]))
    with pytest.raises(UsageError):
        refuse_remote_servers(settings, iter([(["dagster-webserver"], {"DAGSTER_WEBSERVER_HOST": "0.0.0.0"})]))
    allowed = replace(settings, allows_remote=True)
    refuse_remote_servers(allowed, iter([(["dagster", "dev", "--host", "0.0.0.0"], {})]))
    assert Settings.from_environment({"CITY_INDEX_ALLOW_REMOTE": "1"}).allows_remote
    with pytest.raises(UsageError, match="CITY_INDEX_ALLOW_REMOTE"):
        Settings.from_environment({"CITY_INDEX_ALLOW_REMOTE": "yes"})


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_the_processes_above_this_one_are_seen() -> None:
    found = [arguments for arguments, _environment in own_processes()]
    # pytest is this process, or the one that has started it to share the suite with it.
    assert len(found) > 1 and any("pytest" in argument for arguments in found[:2] for argument in arguments)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_dagster_that_is_asked_to_listen_everywhere_does_not_load_the_code(tmp_path: Path) -> None:
    """The real command; it is ended as soon as it has said what it has to say."""
    (tmp_path / "dagster").mkdir()
    # Without it Dagster tells its makers of every start.
    shutil.copyfile(PROJECT_DIRECTORY / "dagster.yaml", tmp_path / "dagster" / "dagster.yaml")
    log = tmp_path / "log"
    environment = {
        **os.environ,
        "CITY_INDEX_HOME": str(tmp_path),
        "DAGSTER_HOME": str(tmp_path / "dagster"),
        "PYTHONPATH": str(PROJECT_DIRECTORY),
    }
    with log.open("w") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "--host", "0.0.0.0", "--port", "0"],
            cwd=PROJECT_DIRECTORY,
            env=environment,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 240
        while "CITY_INDEX_ALLOW_REMOTE" not in log.read_text(encoding="utf-8") and server.poll() is None:
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.5)
        assert "is asked to listen on '0.0.0.0'" in log.read_text(encoding="utf-8")
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


class _Receiver(BaseHTTPRequestHandler):
    """A webhook: remembers the paths that were posted to."""

    posted: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.posted.append(self.path)
        self.send_response(500)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.mark.slow
def test_the_webhook_address_is_written_nowhere(published: Published, tmp_path: Path) -> None:
    """A night that fails and one that succeeds, with an address that holds a token and answers with an error."""
    token = "tokenThatNobodyMayRead4711"
    receiver = HTTPServer(("127.0.0.1", 0), _Receiver)
    Thread(target=receiver.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{receiver.server_port}/hooks/{token}"
    home = copy_home(published.home, tmp_path / "home")
    project = copy_project(tmp_path / "project")
    # Models see the environment of dbt: one that prints it finds nothing there.
    (project / "macros" / "leak.sql").write_text(
        "{% macro leak() %}"
        "{{ log('leaked ' ~ env_var('CITY_INDEX_WEBHOOK_URL', 'nothing'), info=true) }}"
        "{% endmacro %}",
        encoding="utf-8",
    )
    definition = (project / "dbt_project.yml").read_text(encoding="utf-8")
    (project / "dbt_project.yml").write_text(
        definition.replace("on-run-start: [", 'on-run-start: ["{{ leak() }}", '), encoding="utf-8"
    )
    # A row that stands twice is found by dbt, when the models have begun.
    seed = project / "seeds" / "observations.csv"
    sound = seed.read_bytes()
    twice = sound + sound.splitlines(keepends=True)[1]
    try:
        for observations, exit_code, said in ((twice, 4, "a quality gate refused"), (sound, 0, "Published release")):
            seed.write_bytes(observations)
            run = city_index("run", home=home, project=project, CITY_INDEX_WEBHOOK_URL=address)
            assert run.returncode == exit_code, run.stderr
            assert said in run.stdout + run.stderr
            assert token not in run.stdout + run.stderr
            files = [path for path in home.rglob("*") if path.is_file()]
            assert len(files) > 500
            assert [path for path in files if token.encode() in path.read_bytes()] == []
            assert "leaked nothing" in (home / "warehouse/build/dbt/dbt.log").read_text(encoding="utf-8")
    finally:
        receiver.shutdown()
        receiver.server_close()
    assert _Receiver.posted == [f"/hooks/{token}"]


def test_helpers_do_not_get_the_secrets() -> None:
    from city_index.helper_process import helper_environment

    given = {"PATH": "/bin", **dict.fromkeys(SECRETS, "x")}
    assert helper_environment(given) == {"PATH": "/bin"}


def test_every_requirement_is_pinned_by_hash_and_none_names_an_index() -> None:
    locks = [
        PROJECT_DIRECTORY / "requirements.lock",
        PROJECT_DIRECTORY / "metrics" / "requirements.txt",
        *sorted((PROJECT_DIRECTORY / "clients" / "requirements").glob("*.txt")),
    ]
    for lock in locks:
        text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
        pinned = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
        assert pinned
        for line in pinned:
            assert "==" in line and "--hash=sha256:" in line, (lock.name, line[:80])
            assert "://" not in line and "--index-url" not in line and " @ " not in line, (lock.name, line[:80])
    makefile = (PROJECT_DIRECTORY / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    installs = [line for line in makefile.splitlines() if "pip install" in line and "-r " in line]
    assert installs and all("--require-hashes" in line for line in installs)
