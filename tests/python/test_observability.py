"""What a run tells machines: its events, its metrics, the alerts on them, and that the documents know them all."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml
from landing_files import CITIES, make_door
from support import Published, city_index

from city_index.checks import CRITICAL, FAILED, PASSED, WARNED, WARNING, Check
from city_index.errors import GateRefused
from city_index.last_run import Measures, read_last_run, write_last_run
from city_index.observability import events, metrics
from city_index.observability.events import COMMON_FIELDS, EVENTS, EventLog, log_files, new_run_id, read_events
from city_index.observability.observer import RunObserver
from city_index.progress import SilentReporter
from city_index.releases.manifest import Manifest, read_manifest, write_manifest
from city_index.session import rebuild_session
from city_index.settings import PROJECT_DIRECTORY, Settings

SECRET = "https://hooks.example.org/services/T0SECRET/B0SECRET"


def settings_of(home: Path, **options: object) -> Settings:
    return Settings(project_directory=PROJECT_DIRECTORY, home=home, **options)


class Recorder(SilentReporter):
    """Keeps the lines that machines are given."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def event(self, line: str) -> None:
        self.lines.append(line)


def test_run_ids_are_uuids_that_sort_by_time() -> None:
    ids = [new_run_id() for _ in range(200)]
    assert len(set(ids)) == len(ids)
    assert {uuid.UUID(run_id).version for run_id in ids} == {7}
    assert {uuid.UUID(run_id).variant for run_id in ids} == {uuid.RFC_4122}
    times = [run_id[:13] for run_id in ids]
    assert times == sorted(times)


def test_a_half_line_of_a_killed_run_harms_no_event(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    EventLog(settings, "first", "test", lambda line: None).emit("run_started", version="1", environment="dev")
    with log_files(settings)[0].open("a", encoding="utf-8") as stream:
        stream.write('{"ts": "2026-01-01T00:00:00.000Z", "event": "run_fin')
    EventLog(settings, "second", "test", lambda line: None).emit("run_started", version="1", environment="dev")
    assert [event["run_id"] for event in read_events(settings)] == ["first", "second"]
    lines = log_files(settings)[0].read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert json.loads(lines[2])["run_id"] == "second"


def test_the_next_run_says_that_the_one_before_was_killed(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    killed = RunObserver(settings, "test", SilentReporter())
    killed.started()
    killed.stage_started("dbt build", 7)
    with log_files(settings)[0].open("a", encoding="utf-8") as stream:
        stream.write('{"ts": "2026-01-01T00:00:00.000Z", "event": "stage_fin')
    for run in range(2):
        observer = RunObserver(settings, "test", SilentReporter())
        observer.started()
        observer.finished("unchanged", None, [])
        told = [event for event in read_events(settings) if event["event"] == "run_cut_short"]
        assert len(told) == 1, run
    assert (told[0]["cut_run_id"], told[0]["last_event"], told[0]["stage"]) == (
        killed.run_id,
        "stage_started",
        "dbt build",
    )
    demand_documented_fields(told)


def test_the_log_is_bounded_and_loses_the_oldest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOG_BYTES", 5000)
    settings = settings_of(tmp_path)
    log = EventLog(settings, "run", "test", lambda line: None)
    for number in range(400):
        log.emit("landing_noted", detail=f"{number} " + "x" * 100)
    files = sorted(settings.logs.iterdir())
    assert sorted(log_files(settings)) == files
    assert all(0 < path.stat().st_size <= 5000 for path in files)
    numbers = [int(event["detail"].split()[0]) for event in read_events(settings)]
    assert numbers == list(range(numbers[0], 400))
    assert 50 < len(numbers) < 200
    assert log.lost == 0


def test_names_of_files_cannot_break_a_line_nor_grow_without_bound(tmp_path: Path) -> None:
    settings, recorder = settings_of(tmp_path), Recorder()
    observer = RunObserver(settings, 'what "quoted"\nof two lines', recorder)
    hostile = ["a\nb", "c\u2028d\u2029e\x85f\x1eg", "h\udc80i", '"}{', "北京.csv", "x" * 100_000]
    for name in hostile:
        observer.stage_started(f"landing cities/{name}", None)
        observer.stage_finished(name)
    found = list(read_events(settings))
    text = log_files(settings)[0].read_text(encoding="utf-8")
    assert len(text.splitlines()) == len(text.split("\n")) - 1 + text.count("\x1e") == len(found)
    assert [line.encode() for line in recorder.lines] == text.encode().split(b"\n")[:-1]
    assert [event["detail"] for event in found if event["event"] == "stage_finished"][:5] == hostile[:5]
    assert all(len(line) < 5000 for line in recorder.lines)
    assert "北京.csv" in text


def test_no_secret_stands_in_the_log(tmp_path: Path) -> None:
    settings, recorder = settings_of(tmp_path, webhook_url=SECRET), Recorder()
    observer = RunObserver(settings, "test", recorder)
    for text in (f"could not post to {SECRET}", "no route to hooks.example.org/services/T0SECRET/B0SECRET", SECRET[8:]):
        observer.stage_started(text, None)
        observer.stage_finished(text)
    observer.finished("failed", f"GET {SECRET.split('/', 3)[3]} refused", None)
    written = "".join(path.read_text(encoding="utf-8") for path in settings.logs.iterdir()) + "".join(recorder.lines)
    assert "could not post to [webhook]" in written
    assert "SECRET" not in written


def test_a_log_that_cannot_be_written_fails_nothing_and_is_counted(tmp_path: Path) -> None:
    settings, recorder = settings_of(tmp_path), Recorder()
    settings.logs.write_text("in the way", encoding="utf-8")
    observer = RunObserver(settings, "test", recorder)
    observer.started()
    observer.finished("unchanged", None, [])
    assert [json.loads(line)["event"] for line in recorder.lines] == ["run_started", "run_finished"]
    assert json.loads(recorder.lines[-1])["lost_events"] == 1
    assert settings.logs.read_text(encoding="utf-8") == "in the way"


def test_nobody_who_listens_fails_nothing(tmp_path: Path) -> None:
    """Standard output may be full or closed; the run, its exit code and its log are as they would have been."""
    code = (
        "import sys\n"
        "from city_index.observability.observer import RunObserver\n"
        "from city_index.progress import reporter_for_stdout\n"
        "from city_index.settings import Settings\n"
        "observer = RunObserver(Settings.from_environment(), 'test', reporter_for_stdout(sys.argv[1]))\n"
        "observer.started()\n"
        "observer.reporter.stage('inputs')\n"
        "observer.reporter.finish('done')\n"
        "observer.finished('unchanged', None, [])\n"
    )
    for log_format in ("json", "human"):
        home = tmp_path / log_format
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-c", code, log_format],
                cwd=PROJECT_DIRECTORY,
                env={"PATH": "/usr/bin:/bin", "CITY_INDEX_HOME": str(home)},
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert (done.returncode, done.stderr) == (0, "")
        found = [event["event"] for event in read_events(settings_of(home))]
        assert found == ["run_started", "stage_started", "stage_finished", "run_finished"]


def test_landings_and_checks_are_events_with_their_counts(tmp_path: Path) -> None:
    door, recorder = make_door(tmp_path), Recorder()
    observer = RunObserver(door.settings, "test", recorder)
    door.drop("cities", "a.csv", CITIES + ",无,none\n")
    door.drop("cities", "b.csv", "no header of ours\n")
    observer.landed(door.land())
    door.drop("cities", "a again.csv", CITIES + ",无,none\n")
    observer.landed(door.land())
    checks = [
        Check("all_is_well", "gx_raw", "cities", PASSED, CRITICAL, "0 rows", "0 rows"),
        Check("most_is_well", "gx_raw", "cities", WARNED, WARNING, "3 rows", "0 rows", "city=x"),
        *(Check(f"claim_{n}", "gx_raw", "cities", FAILED, CRITICAL, f"{n} rows", "0 rows") for n in range(80)),
    ]
    observer.checked("raw", checks)
    measures = observer.finished("failed", "a gate refused", None)
    found = [json.loads(line) for line in recorder.lines]
    batch = next(event for event in found if event["event"] == "batch_landed")
    assert (batch["received"], batch["accepted"], batch["quarantined"], batch["level"]) == (3, 2, 1, "warning")
    assert sum(batch["reasons"].values()) == 1
    refused = [event for event in found if event["event"] == "file_refused"]
    assert {event["file"] for event in refused} == {"b.csv"}
    assert [event["batch_id"] for event in found if event["event"] == "file_repeated"] == [batch["batch_id"]]
    gate = next(event for event in found if event["event"] == "gate_result")
    assert (gate["passed"], gate["warned"], gate["failed"], gate["level"]) == (1, 1, 80, "error")
    failed = [event["check"] for event in found if event["event"] == "check_failed"]
    assert failed == [f"claim_{n}" for n in range(50)], "those that refuse come first, and are bounded"
    assert measures.rows == {"cities": {"received": 3, "accepted": 2, "quarantined": 1}}
    assert measures.checks == {"passed": 1, "warned": 1, "failed": 80, "skipped": 0}
    demand_documented_fields(found)


def demand_documented_fields(found: list[dict]) -> None:
    for event in found:
        assert set(event) == {*COMMON_FIELDS, *EVENTS[event["event"]].fields}, event
        assert event["level"] in (events.INFO, events.WARNING, events.ERROR)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["ts"])


def test_a_failed_session_says_so_in_log_record_and_metrics_and_keeps_the_last_success(tmp_path: Path) -> None:
    settings, recorder = settings_of(tmp_path), Recorder()
    write_last_run(settings, "test", "published", None)
    before = read_last_run(settings)
    with pytest.raises(GateRefused), rebuild_session(settings, "test", recorder) as session:
        session.reporter.stage("landing cities/a.csv", 100)
        session.reporter.finish("2 rows accepted")
        session.reporter.stage("landing cities/b.csv", 100)
        raise GateRefused("a gate refused;\nnothing was published")
    found = [json.loads(line) for line in recorder.lines]
    assert found == list(read_events(settings))
    assert [event["event"] for event in found] == [
        "run_started",
        "stage_started",
        "stage_finished",
        "stage_started",
        "stage_failed",
        "run_finished",
    ]
    demand_documented_fields(found)
    assert found[-1]["reason"] == "a gate refused; nothing was published"
    after = read_last_run(settings)
    assert {event["run_id"] for event in found} == {after.run_id, session.observer.run_id}
    assert (after.outcome, after.succeeded_at_utc) == ("failed", before.succeeded_at_utc)
    assert "run_cut_short" not in {event["event"] for event in found}
    assert after.run_counts == {"published": 1, "failed": 1}
    assert set(after.measures.stage_seconds) == {"landing"}
    assert min(after.measures.peak_memory_bytes.values()) > 1 << 20
    samples = parse(settings.metrics_file.read_text(encoding="utf-8"))
    assert samples["city_index_last_run_success"] == {(): 0}
    assert samples["city_index_runs_total"][("outcome", "failed"),] == 1
    assert samples["city_index_last_success_timestamp_seconds"] == {(): metrics._seconds(before.succeeded_at_utc)}
    assert not list(tmp_path.glob(".*.tmp"))


_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?P<labels>\{.*\})? (?P<value>-?[0-9.e+-]+|NaN|[+-]Inf)")
_LABEL = re.compile(r'(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)="(?P<value>(?:[^"\\\n]|\\\\|\\"|\\n)*)"(?:,|$)')


def parse(text: str) -> dict[str, dict[tuple, float]]:
    """A strict reading of the text format: each metric's samples by their labels.

    Every metric has its HELP and TYPE first, its samples together and each once; labels are escaped as the format says.
    """
    assert text.endswith("\n") and "\r" not in text
    found: dict[str, dict[tuple, float]] = {}
    types: dict[str, str] = {}
    current = None
    lines = text[:-1].split("\n")
    for number, line in enumerate(lines):
        if line.startswith("# HELP "):
            name, _separator, says = line.removeprefix("# HELP ").partition(" ")
            assert says and name not in found, line
            assert lines[number + 1].startswith(f"# TYPE {name} "), line
        elif line.startswith("# TYPE "):
            current, kind = line.removeprefix("# TYPE ").split(" ")
            assert kind in ("counter", "gauge") and current not in types, line
            assert (kind == "counter") == current.endswith("_total"), line
            types[current], found[current] = kind, {}
        else:
            match = _SAMPLE.fullmatch(line)
            assert match, line
            assert match["name"] == current, line
            labels = []
            rest = (match["labels"] or "{}")[1:-1]
            while rest:
                label = _LABEL.match(rest)
                assert label, line
                value = re.sub(r"\\(.)", lambda part: {"n": "\n"}.get(part[1], part[1]), label["value"])
                labels.append((label["name"], value))
                rest = rest[label.end() :]
            key = tuple(labels)
            assert key not in found[current], line
            found[current][key] = float(match["value"])
    return found


def test_the_metrics_of_an_empty_home_are_well_formed(tmp_path: Path) -> None:
    samples = parse(metrics.exposition(metrics.read_state(settings_of(tmp_path / "none")), is_printed=True))
    assert set(samples) == {metric.full_name for metric in metrics.METRICS}
    assert samples["city_index_release_info"] == {}
    assert samples["city_index_kept_releases"] == {(): 0}


def test_labels_are_escaped_and_totals_come_from_what_landed(tmp_path: Path) -> None:
    door = make_door(tmp_path)
    door.drop("cities", "a.csv", CITIES + ",无,none\n")
    door.land()
    hostile = 'a "quoted\\name"\nof two lines, 北京}'
    measures = Measures("2026-01-01T00:00:00+00:00", 1.5, {hostile: 0.25}, {}, {"passed": 3}, {"run": 1})
    write_last_run(door.settings, "test", "published", None, "id", measures)
    manifest = Manifest("id", 1, "2026-01-01T00:00:00Z", hostile, "", "", "", "", "", {}, {}, {})
    door.settings.published.mkdir()
    write_manifest(door.settings.published, manifest)
    metrics.write_metrics(door.settings)
    samples = parse(door.settings.metrics_file.read_text(encoding="utf-8"))
    assert samples["city_index_stage_duration_seconds"] == {(("stage", hostile),): 0.25}
    assert samples["city_index_release_info"] == {(("release_id", "id"), ("code_version", hostile)): 1}
    assert samples["city_index_checks"][("status", "passed"),] == 3
    for name, number in (("received", 3), ("accepted", 2), ("quarantined", 1)):
        assert samples[f"city_index_rows_{name}_total"][("kind", "cities"),] == number
        assert samples[f"city_index_rows_{name}_total"][("kind", "evidence"),] == 0
    assert samples["city_index_batches_total"][("kind", "cities"),] == 1


@pytest.mark.parametrize(
    "damage",
    [
        {"measures": {"seconds": 1}},
        {"measures": 7},
        {"run_counts": {"failed": "many"}},
        {"run_counts": []},
        {"measures": {**{name: {} for name in Measures.__annotations__}, "seconds": 1.0, "stage_seconds": {"a": None}}},
    ],
)
def test_a_damaged_record_of_the_last_run_is_no_record(tmp_path: Path, damage: dict) -> None:
    settings = settings_of(tmp_path)
    write_last_run(settings, "test", "published", None)
    path = tmp_path / "last_run.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | damage), encoding="utf-8")
    assert read_last_run(settings) is None
    parse(metrics.exposition(metrics.read_state(settings)))


def test_a_record_of_an_older_version_is_read(tmp_path: Path) -> None:
    record = {"what": "test", "ended_at_utc": "2026-01-01T00:00:00+00:00", "outcome": "published", "reason": None}
    record["succeeded_at_utc"] = record["ended_at_utc"]
    (tmp_path / "last_run.json").write_text(json.dumps(record), encoding="utf-8")
    assert read_last_run(settings_of(tmp_path)).outcome == "published"


@pytest.mark.parametrize(
    "damage",
    [
        {"files": {"a": {"sha256": "0", "bytes": "many"}}},
        {"files": {"a": {"sha256": "0"}}},
        {"tables": {"a": None}},
        {"checks": []},
        {"code_version": 7},
        {"sequence": "1"},
    ],
)
def test_a_manifest_with_other_types_is_no_manifest_and_breaks_no_metric(tmp_path: Path, damage: dict) -> None:
    settings = settings_of(tmp_path)
    release_id = "20260101T000000Z-00000001"
    for folder in (settings.published, settings.releases / release_id):
        folder.mkdir(parents=True)
        write_manifest(folder, Manifest(release_id, 1, "2026-01-01T00:00:00Z", *([""] * 6), {}, {}, {}))
        path = folder / "manifest.json"
        assert read_manifest(folder) is not None
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | damage), encoding="utf-8")
        assert read_manifest(folder) is None
    samples = parse(metrics.exposition(metrics.read_state(settings), is_printed=True))
    assert samples["city_index_release_info"] == {}
    assert samples["city_index_kept_releases"] == {(): 0}


def alert_rules() -> list[dict]:
    (group,) = yaml.safe_load((PROJECT_DIRECTORY / "observability" / "alerts.yml").read_text(encoding="utf-8"))[
        "groups"
    ]
    return group["rules"]


def test_alerts_use_metrics_that_are_written_and_say_what_to_do() -> None:
    written = {metric.full_name: metric for metric in metrics.METRICS if not metric.is_printed_only}
    names = [rule["alert"] for rule in alert_rules()]
    assert len(set(names)) == len(names) > 8
    for rule in alert_rules():
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule
        assert re.fullmatch(r"\d+[smhd]", rule["for"])
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"] and rule["annotations"]["action"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
        used = re.findall(r"\b(city_index_\w+)(\{[^}]*\})?", rule["expr"])
        assert used, rule
        for name, labels in used:
            assert name in written, name
            assert set(re.findall(r"(\w+)=", labels)) <= set(written[name].labels), rule
        if len({written[name].labels for name, _labels in used}) > 1:
            assert re.search(r"\b(ignoring|on) \(", rule["expr"]), "series with other labels never match"
        labelled = set().union(*(written[name].labels for name, _labels in used))
        texts = " ".join(rule["annotations"].values())
        assert set(re.findall(r"\$labels\.(\w+)", texts)) <= labelled, rule


def test_the_page_knows_every_event_metric_and_alert_and_no_other() -> None:
    page = (PROJECT_DIRECTORY / "docs" / "observability.md").read_text(encoding="utf-8")
    assert events.markdown_tables() in page
    assert metrics.markdown_table() in page
    named = set(re.findall(r"\bcity_index_[a-z_]+", page.replace("city_index_events", "")))
    assert named == {metric.full_name for metric in metrics.METRICS}
    for rule in alert_rules():
        line = f"| `{rule['alert']}` | {rule['labels']['severity']} | `{rule['expr']}`, for {rule['for']} |"
        assert line in page, line
    assert set(re.findall(r"`(CityIndex\w+)`", page)) == {rule["alert"] for rule in alert_rules()}


def test_status_speaks_to_programs(tmp_path: Path) -> None:
    door = make_door(tmp_path)
    door.drop("cities", "a.csv", CITIES + ",无,none\n")
    door.land()
    door.drop("cities", "b.csv", CITIES)
    door.drop("cities", "c.txt", CITIES)
    said = json.loads(city_index("status", "--json", home=tmp_path).stdout)
    assert said["published"] is None and said["last_run"] is None and said["rebuild_holder"] is None
    assert said["landing"]["waiting"] == ["cities/b.csv"]
    assert [file["file"] for file in said["landing"]["refused"]] == ["cities/c.txt"]
    (batch,) = said["unpublished_batches"]
    assert (batch["accepted_count"], batch["quarantined_count"]) == (2, 1)
    samples = parse(city_index("status", "--prometheus", home=tmp_path).stdout)
    assert samples["city_index_landing_files"] == {(): 2}
    assert samples["city_index_rows_accepted_total"][("kind", "cities"),] == 2
    both = city_index("status", "--json", "--prometheus", home=tmp_path)
    assert both.returncode == 2 and both.stderr.count("\n") == 1


def test_status_answers_where_something_cannot_be_read(tmp_path: Path) -> None:
    door = make_door(tmp_path)
    door.drop("cities", "a.csv", CITIES)
    door.land()
    (landed,) = (door.settings.raw / "cities").iterdir()
    landed.write_bytes(b"no Parquet")
    door.settings.refused_files.write_bytes(b"no Parquet")
    answer = city_index("status", "--json", home=tmp_path)
    said = json.loads(answer.stdout)
    assert answer.returncode == 0 and said["landing"] is None and said["unpublished_batches"] is None
    assert [name in error for name, error in zip(("refused_files", landed.name), said["errors"], strict=True)] == [
        True
    ] * 2
    assert city_index("status", home=tmp_path).stdout.count("\nunreadable  ") == 2
    landed.unlink()
    door.settings.refused_files.unlink()
    assert json.loads(city_index("status", "--json", home=tmp_path).stdout)["errors"] == []


def test_a_rollback_is_told_too(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    ids = ["20260101T000000Z-00000001", "20260102T000000Z-00000002"]
    for sequence, release_id in enumerate(ids, 1):
        manifest = Manifest(release_id, sequence, "2026-01-01T00:00:00Z", "1.0", "", "", "", "", "", {}, {}, {})
        (settings.releases / release_id).mkdir(parents=True)
        write_manifest(settings.releases / release_id, manifest)
    assert city_index("rollback", "no-such-release", home=tmp_path).returncode == 2
    done = city_index("rollback", ids[0], home=tmp_path)
    assert done.returncode == 0, done.stderr
    found = list(read_events(settings))
    demand_documented_fields(found)
    assert [event["event"] for event in found] == [
        *("run_started", "run_finished"),
        *("run_started", "release_published", "run_finished"),
    ]
    assert "no-such-release" in found[1]["reason"]
    assert [event["outcome"] for event in found[3:]] == ["rolled_back", "rolled_back"]
    assert found[3]["release_id"] == ids[0]
    samples = parse(settings.metrics_file.read_text(encoding="utf-8"))
    assert list(samples["city_index_release_info"]) == [(("release_id", ids[0]), ("code_version", "1.0"))]
    assert samples["city_index_last_success_timestamp_seconds"] == {}, "a rollback is no run of the night"


_TAGGED_RUN = """
import sys
import dagster as dg
from city_index.last_run import read_last_run
from city_index.session import RebuildSession
from city_index.settings import Settings
from orchestration.resources import RUN_ID_TAG, RebuildSessionResource
ids = []
@dg.op
def look(session: dg.ResourceParam[RebuildSession]):
    ids.append(session.observer.run_id)
@dg.job(resource_defs={"session": RebuildSessionResource()})
def looking():
    look()
instance = dg.DagsterInstance.ephemeral()
result = looking.execute_in_process(instance=instance)
assert instance.get_run_by_id(result.run_id).tags[RUN_ID_TAG] == ids[0]
print(ids[0], result.run_id)
"""


def test_a_dagster_run_has_the_run_id_as_a_tag(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TAGGED_RUN],
        cwd=PROJECT_DIRECTORY,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "CITY_INDEX_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    run_id, dagster_run_id = done.stdout.split()[-2:]
    found = list(read_events(settings_of(tmp_path / "home")))
    assert [event["event"] for event in found] == ["run_started", "run_finished"]
    assert {event["run_id"] for event in found} == {run_id}
    assert {event["what"] for event in found} == {f"Dagster run {dagster_run_id[:8]}"}
    assert found[-1]["outcome"] == "stopped"


def test_the_console_gives_events_on_request(project_copy: Path, tmp_path: Path) -> None:
    for seed in (project_copy / "seeds").glob("*.csv"):
        seed.unlink()
    refused = city_index("run", home=tmp_path / "home", project=project_copy, CITY_INDEX_LOG_FORMAT="json")
    assert refused.returncode == 3, refused.stderr
    assert refused.stderr.count("\n") == 1
    found = [json.loads(line) for line in refused.stdout.splitlines()]
    assert [event["event"] for event in found] == ["run_started", "run_finished"]
    assert found[-1]["outcome"] == "failed" and "there is no input file" in found[-1]["reason"]
    assert "CITY_INDEX_LOG_FORMAT is 'xml'" in city_index("status", home=tmp_path, CITY_INDEX_LOG_FORMAT="xml").stderr


def test_a_published_run_is_told_whole(published: Published) -> None:
    settings = published.settings
    found = list(read_events(settings))
    demand_documented_fields(found)
    last_run = read_last_run(settings)
    assert {event["run_id"] for event in found} == {last_run.run_id}
    log = (published.home / "last_run.log").read_text(encoding="utf-8")
    assert log.splitlines()[0].startswith(f"run {last_run.run_id}, process {found[0]['pid']}, ")
    names = [event["event"] for event in found]
    assert names[0] == "run_started" and names[-1] == "run_finished"
    assert "stage_failed" not in names and names.count("release_published") == 1
    stages = [event["stage"] for event in found if event["event"] == "stage_finished"]
    before, after = ["inputs", "raw gate", "dbt build", "marts gate", "assemble"], ["publish"]
    # The exports are written meanwhile: whoever waited for them first would draw nothing beside it.
    assert stages == [*before, "report", "exports", *after]
    assert stages == [event["stage"] for event in found if event["event"] == "stage_started"]
    assert set(last_run.measures.stage_seconds) == set(stages)
    gates = {event["gate"]: event for event in found if event["event"] == "gate_result"}
    assert set(gates) == {"raw", "dbt", "marts"}
    totals = {status: sum(gate[status] for gate in gates.values()) for status in last_run.measures.checks}
    (release,) = [event for event in found if event["event"] == "release_published"]
    manifest = json.loads((published.home / "published" / "manifest.json").read_text(encoding="utf-8"))
    assert totals == last_run.measures.checks == manifest["checks"]
    assert (release["release_id"], release["outcome"]) == (manifest["release_id"], "published")
    assert found[-1]["release_id"] == manifest["release_id"]
    assert found[0]["release_id"] is None
    assert found[-1]["lost_events"] == 0
    samples = parse(settings.metrics_file.read_text(encoding="utf-8"))
    assert set(samples) == {metric.full_name for metric in metrics.METRICS if not metric.is_printed_only}
    for metric in metrics.METRICS:
        if not metric.is_printed_only:
            assert samples[metric.full_name], metric.full_name
            for labels in samples[metric.full_name]:
                assert tuple(name for name, _value in labels) == metric.labels
    assert samples["city_index_published_bytes"] == {(): sum(e["bytes"] for e in manifest["files"].values())}
    assert samples["city_index_last_run_success"] == {(): 1}
    assert samples["city_index_stage_duration_seconds"][("stage", "dbt build"),] > 0
    printed = parse(city_index("status", "--prometheus", home=published.home).stdout)
    assert printed["city_index_release_age_seconds"][()] > 0
    said = json.loads(city_index("status", "--json", home=published.home).stdout)
    assert said["published"]["release_id"] == said["wanted_release_id"] == manifest["release_id"]
    assert said["published"]["faults"] == []
    assert said["last_run"]["run_id"] == last_run.run_id
