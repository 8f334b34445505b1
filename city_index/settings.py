"""The settings: the only place that reads the environment.

What belongs here: every path and knob, with its default, as one frozen object. What does not: anything that touches
the disk.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from city_index.errors import UsageError

PROJECT_DIRECTORY = Path(__file__).resolve().parent.parent

# The variables that nobody but this process may see: an address may hold a token.
SECRETS = ("CITY_INDEX_WEBHOOK_URL",)

ENVIRONMENTS = ("dev", "prod")

HUMAN, JSON = "human", "json"
LOG_FORMATS = (HUMAN, JSON)

# What file systems take, with room for the names below the home.
_LONGEST_HOME = 3000
_LONGEST_NAME = 255

# How much of a wrong value a message shows.
_TOLD_CHARACTERS = 60


@dataclass(frozen=True)
class Settings:
    """Where things are and how the project behaves.

    Attributes:
        project_directory: the checkout: dbt project, seeds and code.
        home: the state, ``CITY_INDEX_HOME``; default ``var/`` in the checkout.
        environment: ``CITY_INDEX_ENV``, ``dev`` or ``prod``; in ``prod`` the nightly schedule runs.
        releases_kept: ``CITY_INDEX_RELEASES_KEPT``, how many releases stay on disk, at least 1; default 10.
        webhook_url: ``CITY_INDEX_WEBHOOK_URL``, where a failed run is posted; none by default.
        landing_max_bytes: ``CITY_INDEX_LANDING_MAX_BYTES``, the largest file that is landed, in bytes; default 2 GiB.
        landing_settle_seconds: ``CITY_INDEX_LANDING_SETTLE_SECONDS``, how long a landed file must have kept still
            before it is taken; default 3.
        landing_memory_bytes: ``CITY_INDEX_LANDING_MEMORY_BYTES``, what DuckDB may use of memory while it lands a file,
            in bytes; default 2 GiB. What does not fit goes to disk.
        build_memory_bytes: ``CITY_INDEX_BUILD_MEMORY_BYTES``, what DuckDB may use of memory while the warehouse is
            built and a release is assembled, in bytes; default 2 GiB. What does not fit goes to disk.
        draw_count: ``CITY_INDEX_DRAW_COUNT``, in how many worlds each index is ranked to say how sure its ranks are;
            default 10,000.
        sensitivity_rows: ``CITY_INDEX_SENSITIVITY_ROWS``, the most rows of the design behind the sensitivity indices, a
            power of two; default 8192.
        report_cities: ``CITY_INDEX_REPORT_CITIES``, how many cities of an edition get a page of the report, the best
            first; default 1,000.
        allows_remote: ``CITY_INDEX_ALLOW_REMOTE``, 1 where Dagster's server may listen for other machines; default 0.
        workbook_rows: ``CITY_INDEX_WORKBOOK_ROWS``, the most rows that a table may have to get a sheet of the workbook;
            default 50,000.
        log_format: ``CITY_INDEX_LOG_FORMAT``, what `city-index run` prints: ``human``, or ``json``, its events as lines
            of JSON; default human.
        archive_days: ``CITY_INDEX_ARCHIVE_DAYS``, how many days landed files stay in the archive; default 90.
        archive_bytes: ``CITY_INDEX_ARCHIVE_BYTES``, the most bytes of the archive, where the newest files stay; default
            10 GiB.
        history_runs: ``CITY_INDEX_HISTORY_RUNS``, how many runs stay in Dagster's history, at least 1; default 100.
        history_days: ``CITY_INDEX_HISTORY_DAYS``, how many days they stay there; default 90.
    """

    project_directory: Path
    home: Path
    environment: str = "dev"
    releases_kept: int = 10
    webhook_url: str | None = None
    landing_max_bytes: int = 2 << 30
    landing_settle_seconds: int = 3
    landing_memory_bytes: int = 2 << 30
    build_memory_bytes: int = 2 << 30
    draw_count: int = 10_000
    sensitivity_rows: int = 8192
    report_cities: int = 1000
    workbook_rows: int = 50_000
    allows_remote: bool = False
    log_format: str = HUMAN
    archive_days: int = 90
    archive_bytes: int = 10 << 30
    history_runs: int = 100
    history_days: int = 90

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from the process environment (or from ``environ``).

        Raises:
            UsageError: a variable has a value that makes no sense; the message names it.
        """
        environ = os.environ if environ is None else environ
        home = _home(environ)
        environment = environ.get("CITY_INDEX_ENV", "").strip() or "dev"
        if environment not in ENVIRONMENTS:
            raise UsageError(f"CITY_INDEX_ENV is {_told(environment)}; set it to one of: {', '.join(ENVIRONMENTS)}")
        log_format = environ.get("CITY_INDEX_LOG_FORMAT", "").strip() or HUMAN
        if log_format not in LOG_FORMATS:
            raise UsageError(
                f"CITY_INDEX_LOG_FORMAT is {_told(log_format)}; set it to one of: {', '.join(LOG_FORMATS)}"
            )
        webhook_url = environ.get("CITY_INDEX_WEBHOOK_URL", "").strip() or None
        if webhook_url and not webhook_url.startswith(("http://", "https://")):
            raise UsageError("CITY_INDEX_WEBHOOK_URL does not begin with http:// or https://")
        sensitivity_rows = _whole_number(environ, "CITY_INDEX_SENSITIVITY_ROWS", default=8192, least=2)
        if sensitivity_rows & (sensitivity_rows - 1):
            raise UsageError(f"CITY_INDEX_SENSITIVITY_ROWS is {sensitivity_rows}; set it to a power of two")
        return cls(
            project_directory=PROJECT_DIRECTORY,
            home=home,
            environment=environment,
            releases_kept=_whole_number(environ, "CITY_INDEX_RELEASES_KEPT", default=10, least=1),
            webhook_url=webhook_url,
            landing_max_bytes=_whole_number(environ, "CITY_INDEX_LANDING_MAX_BYTES", default=2 << 30, least=1),
            landing_settle_seconds=_whole_number(environ, "CITY_INDEX_LANDING_SETTLE_SECONDS", default=3, least=0),
            landing_memory_bytes=_whole_number(
                environ, "CITY_INDEX_LANDING_MEMORY_BYTES", default=2 << 30, least=256 << 20
            ),
            build_memory_bytes=_whole_number(
                environ, "CITY_INDEX_BUILD_MEMORY_BYTES", default=2 << 30, least=256 << 20
            ),
            draw_count=_whole_number(environ, "CITY_INDEX_DRAW_COUNT", default=10_000, least=1),
            sensitivity_rows=sensitivity_rows,
            report_cities=_whole_number(environ, "CITY_INDEX_REPORT_CITIES", default=1000, least=1),
            allows_remote=_yes_or_no(environ, "CITY_INDEX_ALLOW_REMOTE"),
            workbook_rows=_whole_number(environ, "CITY_INDEX_WORKBOOK_ROWS", default=50_000, least=1),
            log_format=log_format,
            archive_days=_whole_number(environ, "CITY_INDEX_ARCHIVE_DAYS", default=90, least=0),
            archive_bytes=_whole_number(environ, "CITY_INDEX_ARCHIVE_BYTES", default=10 << 30, least=0),
            history_runs=_whole_number(environ, "CITY_INDEX_HISTORY_RUNS", default=100, least=1),
            history_days=_whole_number(environ, "CITY_INDEX_HISTORY_DAYS", default=90, least=1),
        )

    @property
    def seeds(self) -> Path:
        """The shipped inputs."""
        return self.project_directory / "seeds"

    @property
    def landing(self) -> Path:
        """Where users drop files, one folder per kind."""
        return self.home / "landing"

    @property
    def raw(self) -> Path:
        """Accepted rows, append-only, one folder per kind."""
        return self.home / "raw"

    @property
    def quarantine(self) -> Path:
        """Refused rows with their reasons, one folder per kind."""
        return self.home / "quarantine"

    @property
    def landed_files(self) -> Path:
        """The checksums of the files in raw/ and quarantine/."""
        return self.home / "landed.json"

    @property
    def refused_files(self) -> Path:
        """Which files the last look into the landing folder refused, and why."""
        return self.home / "refused_files.parquet"

    @property
    def landed_paths(self) -> tuple[Path, ...]:
        """What views of a build read: the landed rows, the quarantine, and which files were refused."""
        return self.raw, self.quarantine, self.refused_files

    @property
    def archive(self) -> Path:
        """The landed files as they arrived, by kind and batch; may be emptied at any time."""
        return self.home / "archive"

    @property
    def let_go(self) -> Path:
        """Landed files that a person let go, and those that belong to no batch; no run removes anything there."""
        return self.home / "let_go"

    @property
    def landing_work(self) -> Path:
        """What a landing writes before it is committed; emptied before each."""
        return self.home / "landing_work"

    @property
    def logs(self) -> Path:
        """The log of events, in files of bounded size."""
        return self.home / "logs"

    @property
    def metrics_file(self) -> Path:
        """The metrics of the home in Prometheus' text format, as the last run left them."""
        return self.home / "metrics.prom"

    @property
    def warehouse(self) -> Path:
        """The private builds; may be deleted at any time."""
        return self.home / "warehouse"

    @property
    def published(self) -> Path:
        """What readers open."""
        return self.home / "published"

    @property
    def releases(self) -> Path:
        """The kept releases, one folder each."""
        return self.home / "releases"

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME of the project."""
        return self.home / "dagster"

    @property
    def lock_file(self) -> Path:
        """The file whose kernel lock says that a rebuild is running."""
        return self.home / "rebuild.lock"

    @property
    def helpers_lock(self) -> Path:
        """The file that every process which a rebuild starts locks while it lives."""
        return self.home / "helpers.lock"

    @property
    def temporary(self) -> Path:
        """The temporary files of the rebuild that is going on; there is none between rebuilds."""
        return self.home / "temporary"

    @property
    def published_report(self) -> Path:
        """The page that people open first."""
        return self.published / "report" / "index.html"

    @property
    def published_database(self) -> Path:
        """The database that BI tools open."""
        return self.published / "city_index.duckdb"


def _home(environ: Mapping[str, str]) -> Path:
    """Where the state lives.

    Raises:
        UsageError: no folder can have that name, or none that every part of the project can open and print.
    """
    text = environ.get("CITY_INDEX_HOME", "").strip()
    if not text:
        return PROJECT_DIRECTORY / "var"
    said = f"CITY_INDEX_HOME is {_told(text)}"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise UsageError(f"{said}; it holds a control character or is no UTF-8, set it to a path of plain text")
    try:
        home = Path(text).expanduser().absolute()
    except (RuntimeError, OSError):
        raise UsageError(f"{said}; there is no such user's home, or no current folder") from None
    if len(os.fsencode(home)) > _LONGEST_HOME or any(len(os.fsencode(part)) > _LONGEST_NAME for part in home.parts):
        raise UsageError(f"{said}; it is too long for a path, set it to a shorter one")
    return home


def _told(text: str) -> str:
    """A value as a message can show it: in quotes, cut off."""
    return repr(text if len(text) <= _TOLD_CHARACTERS else f"{text[:_TOLD_CHARACTERS]}...")


def _yes_or_no(environ: Mapping[str, str], name: str) -> bool:
    """A variable that is 1 or 0; 0 where it is not set.

    Raises:
        UsageError: it is something else.
    """
    text = environ.get(name, "").strip()
    if text not in ("", "0", "1"):
        raise UsageError(f"{name} is {text[:100]!r}; set it to 1 or 0")
    return text == "1"


def _whole_number(environ: Mapping[str, str], name: str, default: int, least: int) -> int:
    """A variable that holds a whole number.

    Raises:
        UsageError: it holds something else, or less than the least.
    """
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 18 or int(text) < least:
        raise UsageError(f"{name} is {_told(text)}; set it to a whole number from {least}")
    return int(text)
