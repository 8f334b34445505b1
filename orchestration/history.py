"""Dagster's history: the instance under the project's home.

What belongs here: making DAGSTER_HOME, and writing down what happened outside a Dagster run.
"""

import logging
import shutil

import dagster as dg

from city_index.session import Outcome
from city_index.settings import Settings
from orchestration.defs.releases.assets import PUBLISHED_RELEASE, release_metadata


def prepare_dagster_home(settings: Settings) -> None:
    """Make DAGSTER_HOME with the project's instance settings, unless an operator's own stand there already."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    if not (settings.dagster_home / "dagster.yaml").exists():
        shutil.copyfile(settings.project_directory / "dagster.yaml", settings.dagster_home / "dagster.yaml")


def record_published_release(settings: Settings, outcome: Outcome) -> None:
    """Write the published release into the history, so that the UI and its freshness policy know of it.

    A history that cannot be written is logged and otherwise passed over: the release is out.
    """
    try:
        prepare_dagster_home(settings)
        with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
            instance.report_runless_asset_event(
                dg.AssetMaterialization(PUBLISHED_RELEASE, metadata=release_metadata(settings, outcome))
            )
    except Exception:
        logging.getLogger(__name__).warning("the release could not be written to Dagster's history", exc_info=True)
