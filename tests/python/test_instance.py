"""The instance of a run that Dagster's services have no part in."""

# Dagster looks at the annotations of an asset, so they cannot be put off here.
from collections.abc import Iterator

import dagster as dg
import pytest

from orchestration.instance import instance_of_one_run


@dg.asset(check_specs=[dg.AssetCheckSpec("sound", asset="counted", blocking=True)])
def counted() -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    yield dg.MaterializeResult(metadata={"dagster/row_count": 3})
    yield dg.AssetCheckResult(passed=True, check_name="sound")


@dg.asset(deps=[counted], check_specs=[dg.AssetCheckSpec("refused", asset="refusing", blocking=True)])
def refusing() -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    yield dg.MaterializeResult()
    yield dg.AssetCheckResult(passed=False, check_name="refused", severity=dg.AssetCheckSeverity.ERROR)


@dg.asset(deps=[refusing])
def after_a_refusal() -> None:
    raise AssertionError("a check of what comes before refused")


def job_of(*assets: dg.AssetsDefinition) -> dg.JobDefinition:
    return dg.Definitions(assets=assets, jobs=[dg.define_asset_job("job")]).resolve_job_def("job")


def test_the_result_holds_what_the_steps_gave_and_the_instance_the_run_alone() -> None:
    with instance_of_one_run() as instance:
        result = job_of(counted).execute_in_process(instance=instance)
        assert result.success
        (materialised,) = result.asset_materializations_for_node("counted")
        assert materialised.metadata["dagster/row_count"].value == 3
        assert [check.passed for check in result.get_asset_check_evaluations()] == [True]
        assert instance.get_run_by_id(result.run_id).status == dg.DagsterRunStatus.SUCCESS
        stored = {entry.get_dagster_event().event_type for entry in instance.all_logs(result.run_id)}
        assert dg.DagsterEventType.RUN_SUCCESS in stored
        assert not stored & {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.STEP_SUCCESS}


def test_a_check_that_refuses_stops_what_comes_after_it() -> None:
    with instance_of_one_run() as instance:
        result = job_of(counted, refusing, after_a_refusal).execute_in_process(instance=instance, raise_on_error=False)
        assert not result.success
        assert instance.get_run_by_id(result.run_id).status == dg.DagsterRunStatus.FAILURE
        started = [event.step_key for event in result.all_events if event.is_step_start]
        assert started == ["counted", "refusing"]
        with pytest.raises(Exception, match="blocking asset check failed"):
            job_of(refusing).execute_in_process(instance=instance)
