"""The dbt project as assets: one invocation of `dbt build` for all of them."""

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation, DbtProject, dbt_assets
from packaging.version import Version

from city_index.builds import (
    built_node_count,
    dbt_environment,
    parsed_project,
    passed_unit_tests,
    reuse_parsed_project,
    table_row_counts,
)
from city_index.earlier import count_equal_editions
from city_index.session import RebuildSession
from city_index.settings import Settings
from orchestration.defs.inputs.assets import RAW_INPUTS
from orchestration.defs.landing.assets import SOURCE_KEYS

SEED_PREFIX = "seeds"


class CityIndexTranslator(DagsterDbtTranslator):
    """Names and groups dbt's nodes by the layer they stand in."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """The asset of a dbt node: grouped by layer; a seed comes after the raw inputs."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = self.get_resource_props(manifest, unique_id)
        if node["resource_type"] == "seed":
            return spec.replace_attributes(group_name=SEED_PREFIX, deps=[*spec.deps, dg.AssetDep(RAW_INPUTS)])
        return spec.replace_attributes(group_name=node["fqn"][1])

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """The key of a dbt node: its name, after ``seeds`` for a seed; for a source what the landing makes of it."""
        name = dbt_resource_props["name"]
        if dbt_resource_props["resource_type"] == "source":
            return SOURCE_KEYS[name]
        return dg.AssetKey([SEED_PREFIX, name] if dbt_resource_props["resource_type"] == "seed" else name)


def mart_asset_keys(manifest: Mapping[str, Any]) -> dict[str, dg.AssetKey]:
    """The assets of the tables that are published, by table: all models of schema main."""
    return {
        node["name"]: dg.AssetKey(node["name"])
        for node in sorted(manifest["nodes"].values(), key=lambda node: node["name"])
        if node["resource_type"] == "model" and node["schema"] == "main"
    }


def _selection(context: dg.AssetExecutionContext) -> list[str]:
    """dbt's selection arguments where only some of the assets were asked for."""
    if not context.is_subset:
        return []
    return ["--select", *sorted(key.path[-1] for key in context.selected_asset_keys)]


def dbt_build_assets(settings: Settings) -> tuple[dg.AssetsDefinition, dict[str, dg.AssetKey]]:
    """The dbt assets, and the keys of the published tables by table."""
    parsed = parsed_project(settings)
    manifest = json.loads((parsed / "manifest.json").read_text(encoding="utf-8"))
    translator = CityIndexTranslator()
    schemas = {
        translator.get_asset_key(node): f"{node['schema']}.{node['name']}"
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "seed")
    }

    @dbt_assets(manifest=manifest, dagster_dbt_translator=translator, name="dbt_build", pool="warehouse")
    def dbt_build(context: dg.AssetExecutionContext, session: dg.ResourceParam[RebuildSession]) -> Iterator[Any]:
        build = session.build
        # What the same code has passed before is not asked again.
        tested = bool(passed_unit_tests(settings, build.code_version)) and not context.is_subset
        session.reporter.stage("dbt build", built_node_count(manifest, with_unit_tests=not tested))
        reuse_parsed_project(parsed, build)
        process = session.dbt.run(
            ["build", *_selection(context), *(["--exclude-resource-type", "unit_test"] if tested else [])],
            {**dbt_environment(settings, build.dbt_target), "DBT_LOG_FORMAT": "json"},
        )
        # DbtCliResource would first run `dbt --version` and load dbt's adapter into this process, which takes longer
        # than building; the invocation itself, of a process that has loaded dbt already, is all that is needed.
        invocation = DbtCliInvocation(
            process=process,
            manifest=manifest,
            dagster_dbt_translator=translator,
            project_dir=settings.project_directory,
            target_path=build.dbt_target,
            raise_on_error=False,
            context=context,
            cli_version=Version(version("dbt-core")),
        )
        # Row counts need the database to themselves, so the events wait until dbt has closed it.
        events = []
        try:
            for event in invocation.stream():
                events.append(event)
                session.reporter.advance()
            equal_editions = count_equal_editions(build.database, build.earlier_database)
        finally:
            build.earlier_database.unlink(missing_ok=True)
        row_counts = table_row_counts(settings, build)
        for event in events:
            if isinstance(event, dg.Output):
                rows = row_counts.get(schemas[context.asset_key_for_output(event.output_name)])
                event = event.with_metadata({**event.metadata, "dagster/row_count": rows})
            yield event
        session.report_dbt_results()
        if not invocation.is_successful():
            found = session.failed_checks() or session.dbt_errors() or ["dbt build failed"]
            raise dg.Failure(description="; ".join(found[:3]), allow_retries=False)
        if not tested:
            session.keep_unit_tests()
        session.reporter.finish(f"{len(events)} results; worlds of {equal_editions} editions as in the build before")

    return dbt_build, mart_asset_keys(manifest)
