"""The published release as an asset, downstream of every mart and its checks."""

from datetime import timedelta
from typing import Any

import dagster as dg

from city_index.checks import count_by_status
from city_index.session import Outcome, RebuildSession
from city_index.settings import Settings

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


def published_release_asset(mart_keys: dict[str, dg.AssetKey]) -> dg.AssetsDefinition:
    """The asset that publishes the audited build."""

    @dg.asset(
        key=PUBLISHED_RELEASE,
        group_name="published",
        kinds={"duckdb", "parquet", "csv"},
        deps=list(mart_keys.values()),
        description=(
            "The release that BI tools read. The scores of edition 2020 rest on reconstructed observations, not the "
            "authors' data, and partly on assumed weights."
        ),
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=36), warn_window=timedelta(hours=26)
        ),
        pool="warehouse",
    )
    def published_release(session: dg.ResourceParam[RebuildSession]) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata=release_metadata(session.settings, session.publish()))

    return published_release
