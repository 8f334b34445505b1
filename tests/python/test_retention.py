"""What a home keeps of the past: what is old goes, what is needed stays, and nothing grows without bound."""

# Dagster looks at the annotations of an asset, so they cannot be put off here.
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from landing_files import CITIES, FRAMEWORK, Door, make_door

from city_index.retention import prune_home
from city_index.settings import PROJECT_DIRECTORY, Settings
from orchestration.defs.nightly.jobs import prune_old_history
from orchestration.defs.releases.assets import PUBLISHED_RELEASE
from orchestration.history import prepare_dagster_home, prune_history


def archived(door: Door) -> list[str]:
    return sorted(path.name for path in door.settings.archive.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def landed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home into which three files of 100 KB and a small one have landed."""
    door = make_door(tmp_path_factory.mktemp("landed"))
    for number in range(3):
        door.drop("cities", f"{number}.csv", CITIES + f"C{number},城,City" + " " * 100_000 + "\n")
        door.land()
    door.drop("frameworks", "tree.csv", FRAMEWORK)
    door.land()
    return door.settings.home


@pytest.fixture
def door(landed_home: Path, tmp_path: Path) -> Door:
    shutil.copytree(landed_home, tmp_path / "home")
    return make_door(tmp_path / "home")


def test_archived_files_go_when_they_are_old_and_their_rows_stay(door: Door) -> None:
    rows, quarantined = door.raw("cities", "city_code, batch_id"), door.quarantined("cities")
    now = datetime.now(UTC)
    assert prune_home(door.settings, now + timedelta(days=89)).removed == {}
    assert len(archived(door)) == 4
    pruned = prune_home(door.settings, now + timedelta(days=91))
    assert pruned.removed == {"archived_batches": 4} and pruned.freed_bytes > 300_000 and not pruned.problems
    assert archived(door) == []
    assert (door.raw("cities", "city_code, batch_id"), door.quarantined("cities")) == (rows, quarantined)
    door.account()
    door.drop("frameworks", "tree.csv", FRAMEWORK)
    assert len(door.land().repeated) == 1, "what has landed is known without the archive"


def test_the_archive_holds_the_newest_files_that_fit(door: Door) -> None:
    settings = replace(door.settings, archive_bytes=250_000)
    assert prune_home(settings).removed == {"archived_batches": 1}
    assert archived(door) == ["1.csv", "2.csv", "tree.csv"]
    assert prune_home(settings).removed == {}
    assert prune_home(replace(settings, archive_bytes=0)).removed == {"archived_batches": 3}
    assert archived(door) == []


def test_a_file_that_landed_while_the_clock_was_a_year_behind_is_no_older_than_the_one_before(door: Door) -> None:
    cities = door.settings.archive / "cities"
    newest = max(cities.iterdir())
    number, _landed, digest = newest.name.split("-")
    newest.rename(cities / f"{number}-20200101T000000Z-{digest}")
    now = datetime.now(UTC)
    assert prune_home(door.settings, now).removed == {}
    assert prune_home(replace(door.settings, archive_bytes=250_000), now).removed == {"archived_batches": 1}
    assert archived(door) == ["1.csv", "2.csv", "tree.csv"], "by number, not by the clock"
    assert prune_home(door.settings, now + timedelta(days=91)).removed == {"archived_batches": 3}


def test_only_what_landings_put_there_is_removed_from_the_archive(door: Door, tmp_path: Path) -> None:
    archive, elsewhere = door.settings.archive, tmp_path / "elsewhere"
    linked = elsewhere / "000001-20200101T000000Z-0123abcd"
    linked.mkdir(parents=True)
    (linked / "precious.csv").write_text("precious", encoding="utf-8")
    (archive / "evidence").symlink_to(elsewhere)
    (archive / "cities" / "000002-20200101T000000Z-0123abcd").symlink_to(linked)
    (archive / "cities" / "notes").mkdir()
    (archive / "cities" / "notes" / "a.txt").write_text("mine", encoding="utf-8")
    (archive / "cities" / "000003-20209901T000000Z-0123abcd").mkdir()
    (archive / "mine.txt").write_text("mine", encoding="utf-8")
    (archive / "cities" / "000009-20990101T000000Z-0123abcd").mkdir()
    pruned = prune_home(replace(door.settings, archive_days=0), datetime.now(UTC) + timedelta(days=1))
    assert pruned.removed == {"archived_batches": 4} and not pruned.problems
    assert (linked / "precious.csv").read_text(encoding="utf-8") == "precious"
    assert archived(door) == ["a.txt", "mine.txt"]
    assert len(list((archive / "cities").iterdir())) == 4


def test_centuries_of_days_are_no_error(door: Door) -> None:
    assert prune_home(replace(door.settings, archive_days=10**17)).removed == {}


@dg.asset(key=PUBLISHED_RELEASE, check_specs=[dg.AssetCheckSpec("is_well", asset=PUBLISHED_RELEASE)])
def release(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    if context.run.tags.get("fails"):
        raise ValueError("it fails")
    result = dg.AssetCheckResult(passed=True, metadata={"text": "x" * 20_000})
    yield dg.MaterializeResult(metadata={"run": context.run.run_id}, check_results=[result])


JOB = dg.Definitions(assets=[release], jobs=[dg.define_asset_job("nightly")]).resolve_job_def("nightly")


@pytest.fixture(scope="module")
def filled_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose history has four runs, the last of which failed, and six releases recorded outside runs."""
    home = tmp_path_factory.mktemp("history")
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=home)
    prepare_dagster_home(settings)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        for number in range(6):
            record_release(instance, f"outside {number}")
        for _ in range(3):
            assert JOB.execute_in_process(instance=instance).success
        assert not JOB.execute_in_process(instance=instance, raise_on_error=False, tags={"fails": "yes"}).success
    return home


def record_release(instance: dg.DagsterInstance, name: str, size: int = 20_000) -> None:
    instance.report_runless_asset_event(
        dg.AssetMaterialization(PUBLISHED_RELEASE, metadata={"release_id": name, "text": "x" * size})
    )


class History:
    """A history, and how much of what is in it."""

    def __init__(self, home: Path, **options: int) -> None:
        self.settings = Settings(project_directory=PROJECT_DIRECTORY, home=home, **options)
        self.root = self.settings.dagster_home

    def prune(self, now: datetime | None = None, **options: int) -> dict[str, int]:
        pruned = prune_history(replace(self.settings, **options), now=now)
        assert pruned.problems == []
        return pruned.removed

    def run_ids(self) -> list[str]:
        with dg.DagsterInstance.from_config(str(self.root)) as instance:
            return [run.run_id for run in instance.get_runs()]

    def latest(self) -> dg.AssetMaterialization:
        with dg.DagsterInstance.from_config(str(self.root)) as instance:
            return instance.get_latest_materialization_event(PUBLISHED_RELEASE).asset_materialization

    def count(self, table: str, condition: str = "true", name: str = "index.db") -> int:
        with closing(sqlite3.connect(self.root / "history" / "runs" / name)) as connection:
            return connection.execute(f"select count(*) from {table} where {condition}").fetchone()[0]

    def files(self) -> set[str]:
        return {path.name[:36] for path in (self.root / "history" / "runs").iterdir() if len(path.name) > 36} | {
            path.name for path in (self.root / "storage").iterdir() if len(path.name) == 36
        }

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())


@pytest.fixture
def history(filled_history: Path, tmp_path: Path) -> History:
    shutil.copytree(filled_history, tmp_path / "home")
    return History(tmp_path / "home")


def test_old_runs_go_with_all_that_is_theirs_and_the_release_stays_known(history: History) -> None:
    ids, latest, size = history.run_ids(), history.latest(), history.size()
    assert len(ids) == 4 and history.files() == set(ids)
    assert latest.metadata["run"].value == ids[1], "the last run failed"
    assert history.prune() == {}
    assert history.run_ids() == ids
    removed = history.prune(history_runs=1)
    assert removed["history_runs"] == 2
    assert history.run_ids() == ids[:2], "the newest run, and the one that published"
    assert history.files() == set(ids[:2])
    assert history.latest() == latest
    assert history.count("asset_check_executions") == 2, "planned by the failed run, and found by the one before"
    runless = f"run_id = '' and asset_key = '{PUBLISHED_RELEASE.to_string()}'"
    assert history.count("event_logs", runless) == 1
    assert history.count("event_logs", runless, name=".db") == 1
    assert history.count("event_logs", f"run_id not in ('', '{ids[0]}', '{ids[1]}') and asset_key is not null") == 0
    assert history.count("asset_event_tags", "event_id not in (select id from event_logs)") == 0
    assert history.size() < size - 2 * 100_000, "each run has a file of its own"
    assert history.prune(history_runs=1) == {}, "nothing is left to do"
    with dg.DagsterInstance.from_config(str(history.root)) as instance:
        assert JOB.execute_in_process(instance=instance).success
        assert instance.get_latest_materialization_event(PUBLISHED_RELEASE).run_id not in ids


def test_what_is_older_than_the_days_goes_too(history: History) -> None:
    ids = history.run_ids()
    assert history.prune(datetime.now(UTC) + timedelta(days=89)) == {}
    assert history.prune(datetime.now(UTC) + timedelta(days=91))["history_runs"] == 2
    assert history.run_ids() == ids[:2]
    assert history.count("event_logs", "run_id = ''") == 1


def test_logs_of_sensors_go_too(history: History) -> None:
    logs = history.root / "storage" / "__repository__" / "landing_sensor" / "compute_logs"
    logs.mkdir(parents=True)
    for name, days in (("old.err", 91), ("new.err", 89)):
        (logs / name).write_text("{}\n", encoding="utf-8")
        moment = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        os.utime(logs / name, (moment, moment))
    history.prune()
    assert [path.name for path in logs.iterdir()] == ["new.err"]


def test_nothing_goes_while_a_run_is_in_progress(history: History) -> None:
    with dg.DagsterInstance.from_config(str(history.root)) as instance:
        started = instance.create_run_for_job(JOB, status=dg.DagsterRunStatus.STARTED).run_id
        ids = history.run_ids()
        for instance_given in (None, instance):
            assert prune_history(replace(history.settings, history_runs=1), instance_given).removed == {}
    assert history.run_ids() == ids and ids[0] == started
    assert history.prune(datetime.now(UTC) + timedelta(days=3), history_runs=1)["history_runs"] == 3, "it was killed"
    assert started in history.run_ids()


def test_no_run_can_write_between_the_look_at_the_runs_and_the_removal_of_events(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the runs asked for before, one that begins meanwhile would lose the events that it has written."""
    looks = []
    ask = dg.DagsterInstance.get_run_records

    def ask_and_try_to_write(instance: dg.DagsterInstance, *arguments: object, **options: object) -> object:
        with closing(sqlite3.connect(history.root / "history" / "runs" / "index.db", timeout=0)) as connection:
            try:
                connection.execute("begin immediate")
                looks.append("free")
            except sqlite3.OperationalError:
                looks.append("locked")
        return ask(instance, *arguments, **options)

    monkeypatch.setattr(dg.DagsterInstance, "get_run_records", ask_and_try_to_write)
    history.prune()
    # To see what is old, and which files are nobody's; then for the events of index.db, and for those of the other.
    assert looks == ["free", "free", "locked", "free"]


def test_files_that_a_deleted_run_left_behind_go(history: History) -> None:
    ids = history.run_ids()
    with dg.DagsterInstance.from_config(str(history.root)) as instance:
        instance.delete_run(ids[2])
    assert ids[2] in history.files()
    history.prune()
    assert history.files() == {*ids} - {ids[2]}


def test_the_sensor_prunes_after_a_run_under_dagster(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITY_INDEX_HOME", str(history.settings.home))
    monkeypatch.setenv("CITY_INDEX_HISTORY_RUNS", "2")
    assert prune_old_history.default_status == dg.DefaultSensorStatus.RUNNING
    with dg.DagsterInstance.from_config(str(history.root)) as instance:
        result = JOB.execute_in_process(instance=instance)
        context = dg.build_run_status_sensor_context(
            sensor_name="prune_history",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_success_event(),
        )
        prune_old_history(context)
        assert len(instance.get_runs()) == 2


def test_a_history_that_is_damaged_or_missing_fails_nothing(history: History, tmp_path: Path) -> None:
    assert prune_history(Settings(project_directory=PROJECT_DIRECTORY, home=tmp_path / "none")).problems == []
    assert not (tmp_path / "none").exists()
    (history.root / "history" / "runs.db").write_bytes(b"no database" * 1000)
    (problem,) = prune_history(history.settings).problems
    assert problem.startswith("Dagster's history could not be pruned: ") and "\n" not in problem


def test_what_is_free_goes_back_to_the_disk(tmp_path: Path) -> None:
    history = History(tmp_path, history_runs=1)
    prepare_dagster_home(history.settings)
    with dg.DagsterInstance.from_config(str(history.root)) as instance:
        for night in range(12):
            record_release(instance, f"night {night}", size=200_000)
        assert history.size() > 4_800_000
        pruned = prune_history(history.settings, instance)
    assert pruned.removed == {"history_events": 22} and pruned.freed_bytes > 3_000_000
    assert history.size() < 1_500_000


def test_the_history_does_not_grow_over_many_nights(tmp_path: Path) -> None:
    history = History(tmp_path, history_runs=5)
    prepare_dagster_home(history.settings)
    sizes = []
    with dg.DagsterInstance.from_config(str(history.root)) as instance:
        for night in range(40):
            record_release(instance, f"night {night}")
            assert not prune_history(history.settings, instance).problems
            sizes.append(history.size())
    assert history.latest().metadata["release_id"].value == "night 39"
    assert history.count("event_logs") == history.count("event_logs", name=".db") == 5
    assert max(sizes[25:]) <= max(sizes[10:25])
