"""Where MetricFlow works: a copy of the published database with the views of ``models/semantic``, and a dbt project
beside it.

dbt opens a database for writing, so it never gets the published one. All of the folder may be deleted at any time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from city_index.errors import CityIndexError, NothingPublishable
from city_index.settings import Settings

_PROJECT_FILES = ("dbt_project.yml", "profiles.yml")
_VIEWS = "path:models/semantic"


@dataclass(frozen=True)
class Workspace:
    """The folder ``metrics`` of a home."""

    settings: Settings

    @property
    def folder(self) -> Path:
        """The folder."""
        return self.settings.home / "metrics"

    @property
    def database(self) -> Path:
        """The copy of the published database."""
        return self.folder / self.settings.published_database.name

    @property
    def project(self) -> Path:
        """What MetricFlow takes for the dbt project: its settings, and the semantic manifest in ``target``."""
        return self.folder / "project"

    def environment(self) -> dict[str, str]:
        """The environment of dbt and of MetricFlow: in this folder, and without telemetry."""
        return {
            **os.environ,
            # Nothing has landed for the copy: what was landed is in its tables.
            "CITY_INDEX_HOME": str(self.folder / "home"),
            "CITY_INDEX_BUILD_DATABASE": str(self.database),
            "DBT_PROJECT_DIR": str(self.project),
            "DBT_PROFILES_DIR": str(self.project),
            "DBT_TARGET_PATH": str(self.project / "target"),
            "DBT_LOG_PATH": str(self.project / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_USE_COLORS": "false",
            "DO_NOT_TRACK": "1",
        }

    def prepare(self) -> None:
        """Begin anew: copy what is published, add the views, and let dbt write the semantic manifest.

        Raises:
            NothingPublishable: nothing is published.
            CityIndexError: dbt cannot make the views; the message is dbt's.
        """
        if not self.settings.published_database.is_file():
            raise NothingPublishable(f"nothing is published in {self.settings.published}; run `city-index run`")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.project.mkdir(parents=True)
        shutil.copyfile(self.settings.published_database, self.database)
        for name in _PROJECT_FILES:
            shutil.copyfile(self.settings.project_directory / name, self.project / name)
        made = subprocess.run(
            [
                *(sys.executable, "-m", "dbt.cli.main", "--quiet", "run", "--select", _VIEWS),
                *("--project-dir", str(self.settings.project_directory)),
            ],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            said = " ".join((made.stdout + made.stderr).split())
            raise CityIndexError(f"dbt cannot make the views of the metrics in {self.database}: {said[-800:]}")
