"""``city-index whatif``: the changed ranking beside the published one, without touching it."""

from __future__ import annotations

import codecs
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from city_index.cli.parameters import NAME
from city_index.cli.targets import put_in_place, target_of
from city_index.landing.door import shown
from city_index.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from city_index.whatif import Answer

_STDOUT = "-"
# How many changed weights are named.
_SHOWN_WEIGHTS = 5


@click.command()
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="CSV file: indicator_code, weight [index_code, edition]; what it does not name keeps its published weight.",
)
@click.option(
    "--exclude-indicator",
    "excluded",
    type=NAME,
    metavar="CODE",
    multiple=True,
    help="Leave out an indicator and all below it; may be given again.",
)
@click.option("--index", "index_code", type=NAME, metavar="CODE", help="The index; the only one by default.")
@click.option("--edition", type=NAME, metavar="LABEL", help="The edition; the index's newest by default.")
@click.option(
    "--csv", "csv_file", metavar="FILE", help="Write all cities to a CSV file as well; - writes it to stdout alone."
)
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="How many cities to show.")
def whatif(
    weights: Path | None,
    excluded: tuple[str, ...],
    index_code: str | None,
    edition: str | None,
    csv_file: str | None,
    top: int,
) -> None:
    """The ranking under other weights beside the published one; nothing published changes."""
    from rich.console import Console

    from city_index.whatif import ask

    settings = Settings.from_environment()
    target = None
    if csv_file not in (None, _STDOUT):
        target = target_of(
            settings, "--csv", csv_file, weights, source_name="the file of weights", otherwise=", or - for stdout"
        )
    with tempfile.TemporaryDirectory() as folder:
        answer = ask(settings, weights, excluded, index_code, edition, Path(folder))
        console = Console(highlight=False, soft_wrap=True, stderr=csv_file == _STDOUT)
        console.print()
        _print_question(console, answer)
        if csv_file == _STDOUT:
            _write_to_stdout(answer, Path(folder))
        else:
            _print_ranking(console, answer, top)
        _print_summary(console, answer)
        if target is not None:
            _write(answer, Path(folder), target)
            console.print(f"All {answer.city_count} cities: {shown(target)}", markup=False)


def _print_question(console: Console, answer: Answer) -> None:
    change = answer.change
    console.print(f"{answer.edition.title}, {answer.edition}. {answer.statement}", markup=False)
    for code, (before, after) in list(change.shares.items())[:_SHOWN_WEIGHTS]:
        console.print(f"  {code}: {before:.1%} of its parent, now {after:.1%}", markup=False)
    if len(change.shares) > _SHOWN_WEIGHTS:
        console.print(f"  and {len(change.shares) - _SHOWN_WEIGHTS} more")
    for code in change.excluded:
        console.print(f"  without {code}", markup=False)
    further = len(change.gone) - len(change.excluded)
    if further:
        console.print(f"  and {further} more that hang on it")


def _print_ranking(console: Console, answer: Answer, top: int) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("rank", "published", "change"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("city", no_wrap=True)
    table.add_column("", no_wrap=True)
    for heading in ("score", "published"):
        table.add_column(heading, justify="right", no_wrap=True)
    decimals = answer.edition.report_decimals
    for new_rank, published_rank, rank_change, name_zh, name_en, new_score, published_score in answer.rows(top):
        table.add_row(
            _figure(new_rank, "d"),
            _figure(published_rank, "d"),
            _figure(rank_change, "+d") if rank_change else ("=" if rank_change == 0 else ""),
            escape(name_zh),
            escape(name_en),
            _figure(new_score, f".{decimals}f"),
            _figure(published_score, f".{decimals}f"),
        )
    console.print()
    console.print(table)
    if answer.city_count > top:
        console.print(f"The first {top} of {answer.city_count} cities; --top {answer.city_count} shows all.")


def _figure(number: float | None, form: str) -> str:
    return "" if number is None else format(number, form)


def _print_summary(console: Console, answer: Answer) -> None:
    moves = ", ".join(f"{move.name} from {move.published_rank} to {move.new_rank}" for move in answer.largest_moves)
    correlation = answer.rank_correlation
    console.print(
        f"{answer.moved_count} of {answer.city_count} cities change their rank"
        + (f"; furthest: {moves}" if moves else "")
        + (f". Spearman's rank correlation: {correlation:.4f}" if correlation is not None else ""),
        markup=False,
    )
    if answer.edition.publisher:
        console.print(
            f"Assessment published by {answer.edition.publisher}; the changed ranking is not theirs.", markup=False
        )
    for notice in answer.notices:
        console.print(notice, markup=False)
    console.print(f"{answer.statement} Made from release {answer.release_id}, which is as it was.", markup=False)


def _write_csv(answer: Answer, folder: Path) -> Path:
    from city_index.spreadsheets import copy_to_csv
    from city_index.whatif import RANKING, RANKING_ORDER

    path = folder / "ranking.csv"
    copy_to_csv(answer.connection, RANKING, RANKING_ORDER, path)
    return path


def _write_to_stdout(answer: Answer, folder: Path) -> None:
    with _write_csv(answer, folder).open("rb") as source:
        source.read(len(codecs.BOM_UTF8))  # a mark is for files; a pipe does without
        shutil.copyfileobj(source, click.get_binary_stream("stdout"))


def _write(answer: Answer, folder: Path, target: Path) -> None:
    def write(path: Path) -> None:
        shutil.copyfile(_write_csv(answer, folder), path)

    put_in_place("--csv", target, write)
