"""``city-index run``: the nightly job once, without the Dagster UI."""

from __future__ import annotations

import os
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import click

from city_index.checks import FAILED, PASSED, SKIPPED, WARNED, count_by_status
from city_index.errors import CityIndexError, GateRefused, RebuildRunning, in_one_line
from city_index.notify import post_failure
from city_index.progress import reporter_for_stdout
from city_index.session import PUBLISHED, RESTORED, RebuildSession, rebuild_session
from city_index.settings import HUMAN, Settings

_HEADLINES = {
    PUBLISHED: "Published release {id}",
    RESTORED: "Inputs and code are unchanged; the published copy of release {id} was put back",
    "unchanged": "Inputs and code are unchanged; release {id} stays published",
}


@click.command()
@click.option(
    "--accept-removals", is_flag=True, help="Let cities, editions and landed files that are missing go, once."
)
def run(accept_removals: bool) -> None:
    """Land, check, build, audit and publish once: the nightly job without the Dagster UI."""
    settings = Settings.from_environment()
    reporter = reporter_for_stdout(settings.log_format)
    session = None
    try:
        with rebuild_session(settings, "city-index run", reporter) as session:
            session.accepts_removals = accept_removals
            session.dbt.start()
            _execute_nightly_job(settings, session)
    except RebuildRunning:
        raise  # the other rebuild answers for itself
    except Exception as error:
        if session is None or session.reported_failure is None:
            problem = post_failure(settings, f"City Index: {in_one_line(error)}")
            if problem:
                click.echo(problem, err=True)
        raise
    finally:
        reporter.close()
    if settings.log_format == HUMAN:
        _report(settings, session)


def _execute_nightly_job(settings: Settings, session: RebuildSession) -> None:
    """Run Dagster's nightly job in this process.

    It runs on an instance in memory, because writing its hundreds of events to the history takes as long as building;
    the history gets one event, the materialisation of the published release.

    Raises:
        CityIndexError: the job failed; the error that ended it, or the gate's refusal.
    """
    log_path = settings.home / "last_run.log"
    # dbt and Dagster log hundreds of lines; people get the stages, and the log keeps the rest.
    with log_path.open("w", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
        print(f"run {session.observer.run_id}, process {os.getpid()}, city-index run", flush=True)
        from orchestration.definitions import build_definitions
        from orchestration.defs.nightly.jobs import NIGHTLY_JOB
        from orchestration.history import prune_history, record_published_release
        from orchestration.instance import instance_of_one_run

        try:
            job = build_definitions(settings).resolve_job_def(NIGHTLY_JOB)
            with instance_of_one_run() as instance:
                job.execute_in_process(instance=instance)
        except Exception as error:
            traceback.print_exc(file=log)
            cause = _root_cause(error)
            if isinstance(cause, CityIndexError):
                raise cause from None
            failed = session.failed_checks() if session.has_build else []
            if failed:
                more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
                raise GateRefused(f"a quality gate refused: {failed[0]}{more}; nothing was published") from None
            raise CityIndexError(f"{cause}; the log is {log_path}") from error
        if session.outcome is None:
            raise CityIndexError(f"the job ended without publishing; the log is {log_path}")
        record_published_release(settings, session.outcome)
        pruned = prune_history(settings)
        session.observer.pruned(pruned.removed, pruned.freed_bytes, pruned.problems)


def _root_cause(error: BaseException) -> BaseException:
    """The error that a step raised, under what Dagster wrapped it in."""
    while error.__cause__ is not None and not isinstance(error, CityIndexError):
        error = error.__cause__
    return error


def _report(settings: Settings, session: RebuildSession) -> None:
    from rich.console import Console

    outcome = session.outcome
    counts = count_by_status(outcome.checks)
    console = Console(highlight=False, soft_wrap=True)
    console.print()
    for landing in session.landings:
        for sentence in landing.sentences():
            console.print(f"landing: {sentence}", markup=False)
    console.print(f"[bold]{_HEADLINES[outcome.kind].format(id=outcome.manifest.release_id)}[/bold]")
    console.print(f"  {settings.published_database}", markup=False)
    console.print(f"  {settings.published_report}", markup=False)
    _print_top_ten(console, settings.published_database)
    console.print(
        f"{counts[PASSED]} checks passed, {counts[WARNED]} warned, {counts[FAILED]} failed, {counts[SKIPPED]} skipped "
        "(table meta_checks)"
    )
    for check in outcome.checks:
        if check.status == WARNED:
            console.print(f"  warning: {check.sentence()}", markup=False)


def _print_top_ten(console, database: Path) -> None:
    from rich.markup import escape
    from rich.table import Table

    from city_index.database import open_database

    with open_database(database) as connection:
        editions = connection.execute(
            "select index_code, edition, title_zh, publisher_zh, city_count, report_decimals from dim_editions "
            "where city_count > 0 and not is_synthetic order by all"
        ).fetchall()
        demonstrations = connection.execute(
            "select index_code, edition, city_count from dim_editions "
            "where is_synthetic and city_count > 0 order by all"
        ).fetchall()
        for index_code, edition, title, publisher, city_count, decimals in editions:
            rows = connection.execute(
                "select total_rank, coalesce(rank_p05 || '-' || rank_p95, ''), city_zh, city_en, total_score, "
                "coalesce(tier_zh, ''), notice_zh, notice_en "
                "from rpt_city_index where index_code = ? and edition = ? and total_rank <= 10 "
                "order by total_rank, city_code limit 10",
                [index_code, edition],
            ).fetchall()
            heading = escape(f"{title or index_code}, {index_code} {edition}: the first of {city_count}")
            table = Table(title=heading, title_justify="left", box=None, pad_edge=False)
            table.add_column("rank", justify="right")
            table.add_column("90 %", justify="right")
            table.add_column("city")
            table.add_column("")
            table.add_column("score", justify="right")
            table.add_column("tier")
            for rank, interval, name_zh, name_en, score, tier, _zh, _en in rows:
                table.add_row(
                    str(rank), interval, escape(name_zh), escape(name_en), f"{score:.{decimals}f}", escape(tier)
                )
            console.print()
            console.print(table)
            if publisher:
                console.print(f"Assessment published by {publisher}", markup=False)
            for notice in rows[0][6:] if rows else ():
                if notice:
                    console.print(notice, markup=False)
            console.print()
        for index_code, edition, city_count in demonstrations:
            console.print(
                f"{index_code} {edition}: {city_count} cities from synthetic records, a demonstration that says "
                "nothing of any city",
                markup=False,
            )
