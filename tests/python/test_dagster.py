"""The Dagster graph: its assets, groups, checks, schedule and what a failing gate does."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from dagster._core.execution.plan.resume_retry import ReexecutionStrategy
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import get_reexecution_strategy
from landing_files import CITIES, FRAMEWORK, OBSERVATIONS, make_door
from support import Published, as_after_an_earlier_night, city_index, copy_home, python

from city_index.contracts import KINDS
from city_index.gates.registry import BATCHES
from city_index.notify import post_failure
from city_index.observability.events import read_events
from city_index.settings import PROJECT_DIRECTORY, Settings
from orchestration.definitions import build_definitions
from orchestration.defs.landing.sensor import landing_sensor
from orchestration.defs.nightly.jobs import nightly_job


@pytest.fixture(scope="module")
def settings(published: Published) -> Settings:
    return published.settings


@pytest.fixture(scope="module")
def definitions(settings: Settings) -> dg.Definitions:
    return build_definitions(settings)


pytestmark = pytest.mark.slow


def test_every_dbt_node_is_an_asset_in_the_group_of_its_layer(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    groups: dict[str, set[str]] = {}
    for key in graph.get_all_asset_keys():
        groups.setdefault(graph.get(key).group_name, set()).add(key.path[-1])
    layers = {"staging", "intermediate", "marts", "reconciliation", "reports", "semantic"}
    assert set(groups) == layers | {"landing", "inputs", "seeds", "published"}
    folders = {"seeds": "seeds", **{layer: f"models/{layer}" for layer in layers}}
    for group, folder in folders.items():
        files = (PROJECT_DIRECTORY / folder).iterdir()
        assert groups[group] == {path.stem for path in files if path.suffix in (".csv", ".sql", ".py")}
    assert groups["landing"] == {*KINDS, "retried_observations", "batches", "rows", "refused_files"}
    assert groups["inputs"] == {"raw_inputs"}
    assert groups["published"] == {"assembled_release", "report_site", "exports", "published_release"}


def test_the_release_comes_after_every_mart_and_the_seeds_after_the_inputs(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    marts = {key for key in graph.get_all_asset_keys() if graph.get(key).group_name in ("marts", "reports")}
    assert graph.get(dg.AssetKey("assembled_release")).parent_keys == marts
    assert dg.AssetKey("assembled_release") in graph.get(dg.AssetKey("published_release")).parent_keys
    for key in graph.get_all_asset_keys():
        if graph.get(key).group_name == "seeds":
            assert graph.get(key).parent_keys == {dg.AssetKey("raw_inputs")}


def test_every_claim_of_the_gates_is_a_check_and_critical_ones_block(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    checks = {key.name: graph.get_check_spec(key) for key in graph.asset_check_keys}
    for batches in BATCHES.values():
        for batch in batches:
            for claim in batch.claims:
                assert checks[claim.name].blocking == (claim.severity == "critical")
    dbt_checks = {name for name in checks if name.startswith("assert_")}
    assert dbt_checks == {path.stem for path in (PROJECT_DIRECTORY / "tests" / "dbt").glob("*.sql")}


def test_models_carry_their_columns(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    schema = graph.get(dg.AssetKey("fct_city_scores")).metadata["dagster/column_schema"]
    columns = {column.name: column for column in schema.columns}
    assert columns["total_score"].type == "double"
    assert "reconstructed" in columns["total_score"].description


@pytest.mark.parametrize(("environment", "status"), [("dev", "STOPPED"), ("prod", "RUNNING")])
def test_the_nightly_schedule_runs_by_itself_in_production_only(
    settings: Settings, environment: str, status: str
) -> None:
    (schedule,) = build_definitions(replace(settings, environment=environment)).schedules
    assert schedule.default_status.value == status
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 2 * * *", "Asia/Shanghai")


def test_the_release_has_a_freshness_policy_and_runs_are_retried_after_crashes_only(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    assert graph.get(dg.AssetKey("published_release")).freshness_policy is not None
    job = definitions.resolve_job_def("nightly")
    assert job.tags["dagster/max_retries"] == "1"
    assert job.tags["dagster/retry_on_asset_or_op_failure"] == "false"
    assert {hook.name for hook in job.hook_defs} == {"report_failure"}
    pools = {node.definition.pool for node in job.graph.nodes}
    assert pools == {"warehouse"}


def test_the_instance_settings_are_valid(published: Published) -> None:
    with dg.DagsterInstance.from_config(str(published.home / "dagster")) as instance:
        assert not instance.telemetry_enabled
        assert instance.run_retries_enabled
        assert instance.freshness_enabled
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
        record = instance.get_latest_materialization_event(dg.AssetKey("published_release"))
        assert record.asset_materialization.metadata["outcome"].value == "published"


_RUN_JOB = """
import json, sys
from pathlib import Path
import dagster as dg
from city_index.settings import Settings
from orchestration.definitions import build_definitions
job = build_definitions(Settings.from_environment()).resolve_job_def("nightly")
result = job.execute_in_process(raise_on_error=False)
print("RESULT " + json.dumps({
    "success": result.success,
    "failed": [event.step_key for event in result.all_events if event.event_type_value == "STEP_FAILURE"],
    "materialised": sorted({
        event.asset_key.to_user_string() for event in result.all_events
        if event.event_type_value == "ASSET_MATERIALIZATION"
    }),
    "failed_checks": sorted(
        e.check_name for e in result.get_asset_check_evaluations() if not e.passed
    ),
}))
"""


def run_job(project: Path, home: Path, **environment: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", _RUN_JOB],
        cwd=project,
        env={**os.environ, "CITY_INDEX_HOME": str(home), "PYTHONPATH": str(project), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")] or [done.stderr[-2000:]]
    return json.loads(line.removeprefix("RESULT "))


class _Collector(http.server.BaseHTTPRequestHandler):
    received: list[dict] = []  # noqa: RUF012

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def webhook():
    """A webhook on this machine; gives its address and what it received."""
    _Collector.received = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/secret-token", _Collector.received
    server.shutdown()
    server.server_close()


def test_a_failing_gate_stops_everything_downstream_and_is_posted(
    project_copy: Path, tmp_path: Path, webhook: tuple[str, list[dict]]
) -> None:
    url, received = webhook
    seed = project_copy / "seeds" / "observations.csv"
    seed.write_text(seed.read_text(encoding="utf-8").replace(",100,", ",101,", 1), encoding="utf-8")
    result = run_job(project_copy, tmp_path / "home", CITY_INDEX_WEBHOOK_URL=url)
    assert not result["success"]
    assert result["failed"] == ["raw_inputs"]
    assert result["failed_checks"] == ["observed_scores_lie_on_their_scale"]
    assert [key for key in result["materialised"] if "/" not in key] == ["raw_inputs"]
    assert not list((tmp_path / "home" / "published").iterdir())
    (message,) = received
    assert "step raw_inputs" in message["text"]
    assert "observed_scores_lie_on_their_scale" in message["text"]
    told = list(read_events(Settings(project_directory=project_copy, home=tmp_path / "home")))
    assert [event["check"] for event in told if event["event"] == "check_failed"] == [
        "observed_scores_lie_on_their_scale"
    ]
    assert (told[-1]["event"], told[-1]["outcome"]) == ("run_finished", "failed")
    assert "observed_scores_lie_on_their_scale" in told[-1]["reason"]
    assert told[-1]["what"].startswith("Dagster run ")
    assert "secret-token" not in "".join(path.read_text("utf-8") for path in (tmp_path / "home" / "logs").iterdir())
    metrics = (tmp_path / "home" / "metrics.prom").read_text(encoding="utf-8")
    assert "\ncity_index_last_run_success 0\n" in metrics
    assert '\ncity_index_checks{status="failed"} 1\n' in metrics


def test_publishing_alone_trusts_no_build_that_was_not_audited(published: Published, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert city_index("status", home=home).returncode == 0
    script = (
        "from city_index.settings import Settings\n"
        "from city_index.session import rebuild_session\n"
        "with rebuild_session(Settings.from_environment(), 'test') as session:\n"
        "    try:\n"
        "        session.publish()\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, error)\n"
        "    session.collect_inputs()\n"
        "    print(session.refusals())\n"
        "    session.check_raw()\n"
        "    print(session.refusals())\n"
    )
    done = python("-c", script, CITY_INDEX_HOME=str(home))
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert first.startswith("GateRefused there is no build")
    assert "the raw gate has not run" in second
    assert "dbt ended before it wrote its results" in third


_LAND_AND_BACKFILL = """
import json, os
from pathlib import Path
import dagster as dg
from city_index.settings import Settings
from orchestration.definitions import build_definitions
settings = Settings.from_environment()
definitions = build_definitions(settings)
instance = dg.DagsterInstance.ephemeral()
def run(name, **options):
    result = definitions.resolve_job_def(name).execute_in_process(instance=instance, raise_on_error=True, **options)
    batches = [
        {"asset": m.asset_key.to_user_string()} | {name: value.value for name, value in m.metadata.items()}
        for m in (e.step_materialization_data.materialization for e in result.all_events
                  if e.event_type_value == "ASSET_MATERIALIZATION")
        if "batch_id" in m.metadata
    ]
    checks = {e.check_name: e.metadata["status"].value for e in result.get_asset_check_evaluations()
              if e.check_name.startswith("landed_")}
    print("RESULT " + json.dumps({"batches": batches, "checks": checks,
        "partitions": instance.get_dynamic_partitions("editions")}))
run("nightly")
folder = settings.landing / "cities"
(folder / "more.csv").write_text("city_code,name_zh,name_en\\nLIE,列,Liechtenstein\\n", encoding="utf-8")
run("backfill_edition", partition_key="wellbeing/2024")
"""


def test_batches_are_events_with_counts_reasons_and_a_sample_and_an_edition_can_be_backfilled(
    published: Published, tmp_path: Path
) -> None:
    door = make_door(as_after_an_earlier_night(tmp_path / "home", published))
    door.drop("cities", "countries.csv", CITIES)
    door.drop("frameworks", "tree.csv", FRAMEWORK)
    door.drop("observations", "o.csv", OBSERVATIONS + "wellbeing,2024,AUT,lifespan,5\nwellbeing,2024,LIE,lifespan,7\n")
    done = subprocess.run(
        [sys.executable, "-c", _LAND_AND_BACKFILL],
        cwd=PROJECT_DIRECTORY,
        env={**os.environ, "CITY_INDEX_HOME": str(tmp_path / "home"), "PYTHONPATH": str(PROJECT_DIRECTORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, backfill = (
        json.loads(line.removeprefix("RESULT ")) for line in done.stdout.splitlines() if line.startswith("RESULT ")
    )
    assert [batch["asset"] for batch in first["batches"]] == ["raw/cities", "raw/frameworks", "raw/observations"]
    landed = first["batches"][-1]
    assert (landed["received"], landed["accepted"], landed["quarantined"]) == (2, 1, 1)
    assert landed["reasons"] == {"unknown city": 1}
    assert "| 3 | unknown city | city_code 'LIE' is not known" in landed["sample"]
    assert first["partitions"] == ["medical_digital/2020", "medical_digital/demo", "wellbeing/2024"]
    assert first["checks"]["landed_observations_lose_no_row"] == "passed"
    assert first["checks"]["landed_statistics_lose_no_row"] == "skipped"
    # The city that lands in the very run is known when the edition is tried again.
    city, retried = backfill["batches"]
    assert city["asset"] == "raw/cities"
    assert retried["retry_of"] == landed["batch_id"] and retried["accepted"] == 1
    told = [event for event in read_events(door.settings) if event["event"] == "batch_landed"]
    batches = [*first["batches"], *backfill["batches"]]
    for name in ("batch_id", "received", "accepted", "quarantined"):
        assert [event[name] for event in told] == [batch[name] for batch in batches]
    assert len({event["run_id"] for event in told}) == 2
    assert door.raw("observations", "city_code, value") == [("AUT", 5.0), ("LIE", 7.0)]
    with duckdb.connect(str(door.settings.published_database), read_only=True) as connection:
        query = "select city_code from fct_city_scores where index_code = 'wellbeing' order by total_rank"
        assert connection.execute(query).fetchall() == [("LIE",), ("AUT",)]


def test_the_landing_sensor_starts_the_job_once_for_files_that_have_come_to_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITY_INDEX_HOME", str(tmp_path))
    door = make_door(tmp_path)
    sensor = landing_sensor(nightly_job())
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    instance = dg.DagsterInstance.ephemeral()

    def tick(cursor: str | None) -> tuple[list[str], str | None]:
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            data = sensor.evaluate_tick(context)
        return [request.run_key for request in data.run_requests], data.cursor

    assert tick(None)[0] == []
    path = door.drop("cities", "c.csv", CITIES)
    requests, cursor = tick(None)
    assert requests == []
    path.write_text(CITIES + "DEU,德国,Germany\n", encoding="utf-8")
    requests, cursor = tick(cursor)
    assert requests == [], "the file has changed since the last look"
    first, cursor = tick(cursor)
    assert len(first) == 1
    again, cursor = tick(cursor)
    assert again == first, "the same state asks for the same run, which Dagster starts once"
    path.unlink()
    requests, cursor = tick(cursor)
    assert requests == []
    door.drop("cities", "c.csv", CITIES + "DEU,德国,Germany\n")
    requests, cursor = tick(cursor)
    later, cursor = tick(cursor)
    assert requests == [] and later != first


_PARTIAL_RUN = """
import dagster as dg
from city_index.gates.registry import BATCHES
from city_index.settings import Settings
from orchestration.definitions import build_definitions
definitions = build_definitions(Settings.from_environment())
assets = dg.AssetSelection.assets("fct_published_context", "published_release")
claims = [dg.AssetCheckKey(dg.AssetKey(b.asset), c.name) for b in BATCHES["marts"] for c in b.claims]
job = dg.define_asset_job("partial", selection=assets | dg.AssetSelection.checks(*claims))
partial = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job])).resolve_job_def("partial")
result = partial.execute_in_process(raise_on_error=False)
for event in result.all_events:
    if event.event_type_value == "STEP_FAILURE":
        print("FAILED", event.step_key, event.step_failure_data.error.cause or event.step_failure_data.error)
print("SUCCESS", result.success)
"""


def test_figures_by_construction_that_break_stop_publishing_and_a_partial_run_cannot_publish_over_it(
    project_copy: Path, published: Published, tmp_path: Path
) -> None:
    home = copy_home(published.home, tmp_path / "home")
    before = (home / "published" / "manifest.json").read_bytes()
    seed = project_copy / "seeds" / "observations.csv"
    text = seed.read_text(encoding="utf-8")
    seed.write_text(text.replace("beijing,hospital_intra_app_emr,100", "beijing,hospital_intra_app_emr,0"), "utf-8")
    refused = city_index("run", home=home, project=project_copy)
    assert refused.returncode == 4, refused.stderr
    assert "assert_figures_by_construction_hold" in refused.stderr
    done = subprocess.run(
        [sys.executable, "-c", _PARTIAL_RUN],
        cwd=project_copy,
        env={**os.environ, "CITY_INDEX_HOME": str(home), "PYTHONPATH": str(project_copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "SUCCESS False" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]
    assert "this run did not collect the inputs of the build" in done.stdout
    assert (home / "published" / "manifest.json").read_bytes() == before


_CHANGED_INPUTS = """
import subprocess
from pathlib import Path
from city_index.builds import dbt_arguments, dbt_environment
from city_index.settings import Settings
from city_index.session import rebuild_session
settings = Settings.from_environment()
with rebuild_session(settings, "test") as session:
    session.collect_inputs()
    session.check_raw()
    environment = dbt_environment(settings, session.build.dbt_target)
    def dbt(*arguments):
        arguments = ["--quiet", "build", "--exclude-resource-type", "unit_test", *arguments]
        subprocess.run(dbt_arguments(settings, arguments), env=environment, check=True)
    dbt("--select", "seeds")
    print(session.refusals())
    dbt()
    session.check_marts()
    print(session.refusals())
    with (settings.seeds / "statistics.csv").open("a") as stream:
        stream.write("beijing,2018,gdp,-1,100m_cny,\\n")
    print(session.refusals())
    with session.build.database.open("ab") as stream:
        stream.write(b"x")
    print(session.refusals())
"""


def test_publishing_wants_every_node_and_the_very_inputs_and_file_that_were_checked(
    project_copy: Path, published: Published, tmp_path: Path
) -> None:
    home = as_after_an_earlier_night(tmp_path / "home", published)
    done = subprocess.run(
        [sys.executable, "-c", _CHANGED_INPUTS],
        cwd=project_copy,
        env={**os.environ, "CITY_INDEX_HOME": str(home), "PYTHONPATH": str(project_copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    partial, whole, changed_inputs, changed_file = done.stdout.splitlines()[-4:]
    assert "dbt left out" in partial, done.stderr[-2000:]
    assert whole == "[]"
    assert "inputs or code changed while they were being built" in changed_inputs
    assert "the build changed after the marts gate saw it" in changed_file


def test_a_webhook_that_does_not_answer_is_said_without_its_address(settings: Settings) -> None:
    problem = post_failure(replace(settings, webhook_url="http://127.0.0.1:9/secret-token"), "text")
    assert "could not be posted" in problem
    assert "secret-token" not in problem
    assert post_failure(replace(settings, webhook_url=None), "text") is None


_ONE_STEP = """
import dagster as dg
from city_index.session import RebuildSession
from orchestration.resources import RebuildSessionResource

@dg.asset
def step(session: dg.ResourceParam[RebuildSession]) -> None:
    session.land()

defs = dg.Definitions(
    assets=[step],
    jobs=[dg.define_asset_job("one_step", executor_def=dg.in_process_executor)],
    resources={"session": RebuildSessionResource()},
)
"""


def test_a_job_from_the_command_line_opens_its_session_once_and_would_be_retried_whole(tmp_path: Path) -> None:
    """`dagster job execute` makes the resources of a run once more when it has ended."""
    (tmp_path / "one_step.py").write_text(_ONE_STEP, encoding="utf-8")
    home = tmp_path / "home"
    (home / "dagster").mkdir(parents=True)
    shutil.copyfile(PROJECT_DIRECTORY / "dagster.yaml", home / "dagster" / "dagster.yaml")
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "job", "execute", "-f", str(tmp_path / "one_step.py"), "-j", "one_step"],
        cwd=tmp_path,
        env={
            **os.environ,
            "CITY_INDEX_HOME": str(home),
            "DAGSTER_HOME": str(home / "dagster"),
            "PYTHONPATH": str(PROJECT_DIRECTORY),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    events = (home / "logs" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum(json.loads(line)["event"] == "run_started" for line in events) == 1
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        (run,) = instance.get_runs()
        assert get_reexecution_strategy(run, instance) == ReexecutionStrategy.ALL_STEPS
