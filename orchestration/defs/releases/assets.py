"""The release as assets: assembled from every mart and its checks, completed by what is made of it, and published."""

from datetime import timedelta
from typing import Any

import dagster as dg

from city_index.checks import count_by_status
from city_index.session import Outcome, RebuildSession
from city_index.settings import Settings

ASSEMBLED_RELEASE = dg.AssetKey("assembled_release")
REPORT_SITE = dg.AssetKey("report_site")
EXPORTS = dg.AssetKey("exports")
PUBLISHED_RELEASE = dg.AssetKey("published_release")


def release_metadata(settings: Settings, outcome: Outcome) -> dict[str, Any]:
    """What Dagster shows of a rebuild's outcome."""
    manifest = outcome.manifest
    return {
        "outcome": outcome.kind,
        "release_id": manifest.release_id,
        "content_hash": manifest.content_hash,
        "code_version": manifest.code_version,
        "published_database": dg.MetadataValue.path(str(settings.published_database)),
        "checks": dg.MetadataValue.json(count_by_status(outcome.checks)),
        "row_counts": dg.MetadataValue.json(manifest.tables),
        "notice": manifest.notice,
    }


def release_assets(mart_keys: dict[str, dg.AssetKey]) -> list[dg.AssetsDefinition]:
    """The assets from the assembled release to the published one."""
    common = {"group_name": "published", "pool": "warehouse"}

    @dg.asset(
        key=ASSEMBLED_RELEASE,
        kinds={"duckdb", "parquet", "csv"},
        deps=list(mart_keys.values()),
        description="The tables of the audited build as a database, Parquet and CSV that nobody reads yet.",
        **common,
    )
    def assembled_release(session: dg.ResourceParam[RebuildSession]) -> dg.MaterializeResult:
        candidate = session.assemble()
        if candidate is None:
            return dg.MaterializeResult(metadata={"outcome": "the newest release holds the same content"})
        manifest = candidate.manifest
        return dg.MaterializeResult(metadata={"release_id": manifest.release_id, "row_counts": manifest.tables})

    @dg.asset(
        key=REPORT_SITE,
        kinds={"html"},
        deps=[ASSEMBLED_RELEASE],
        description="The pages that people read, Chinese and English, made from the tables of the assembled release.",
        **common,
    )
    def report_site(session: dg.ResourceParam[RebuildSession]) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"pages": session.write_report()})

    @dg.asset(
        key=EXPORTS,
        kinds={"xlsx", "json"},
        deps=[ASSEMBLED_RELEASE],
        description="The workbook, the data package, the citation and the notes on rights of the assembled release.",
        # They are being written since the release was assembled: the report is drawn meanwhile.
        op_tags={"dagster/priority": "-1"},
        **common,
    )
    def exports(session: dg.ResourceParam[RebuildSession]) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"files": session.write_exports()})

    @dg.asset(
        key=PUBLISHED_RELEASE,
        kinds={"duckdb", "parquet", "csv"},
        deps=[ASSEMBLED_RELEASE, REPORT_SITE, EXPORTS],
        description=(
            "The release that BI tools read. The scores of edition 2020 rest on reconstructed observations, not the "
            "authors' data, and partly on assumed weights."
        ),
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=36), warn_window=timedelta(hours=26)
        ),
        **common,
    )
    def published_release(session: dg.ResourceParam[RebuildSession]) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata=release_metadata(session.settings, session.publish()))

    return [assembled_release, report_site, exports, published_release]
