"""What if the weights were others: the ranking of a published edition under changed weights or without some indicators.

What belongs here: choosing the edition, changing its tree and having it scored, by the project's own formula and apart
from what is published, which is only read. What does not: reading weights (``weights_file``), printing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from city_index.errors import UsageError
from city_index.formulas import Formulas
from city_index.published import Edition, choose_edition, published_database, similar
from city_index.settings import Settings
from city_index.weights_file import Fault, WeightsFile, in_quotes, read_weights

# The answer: a row for each city of the edition.
RANKING = "ranking"
RANKING_ORDER = "new_rank nulls last, published_rank nulls last, city_code"

_LARGEST_MOVES = 3
_NAMED_CHANGES = 5


@dataclass(frozen=True)
class Node:
    """A node of the published tree."""

    parent_code: str | None
    weight: float


@dataclass(frozen=True)
class Change:
    """What is changed in a tree.

    Attributes:
        weights: the given weights by indicator.
        excluded: the indicators that were asked to go.
        gone: all that go with them: what is below, and parents left without children.
        shares: for each given weight the share of its parent before and after.
    """

    weights: dict[str, float]
    excluded: tuple[str, ...]
    gone: frozenset[str]
    shares: dict[str, tuple[float, float]]

    def sentence(self) -> str:
        """What is changed, in words; the first of each kind by name."""
        given = [f"{code} weighs {self.weights[code]:g}" for code in self.shares]
        without = [f"without {code}" for code in self.excluded]
        return ", ".join(_first(given) + _first(without))


def _first(words: list[str]) -> list[str]:
    further = len(words) - _NAMED_CHANGES
    return words if further <= 0 else [*words[:_NAMED_CHANGES], f"and {further} more"]


@dataclass(frozen=True)
class Move:
    """A city that changed its rank."""

    name: str
    published_rank: int
    new_rank: int


@dataclass(frozen=True)
class Answer:
    """The ranking as it would be, beside the published one.

    Attributes:
        connection: a database in memory with the table ``ranking``.
        release_id: the release it was made from.
        edition: the edition.
        change: what was changed.
        city_count: the cities of the edition.
        moved_count: those with another rank, or with one in only one of the rankings.
        largest_moves: those that moved furthest.
        rank_correlation: Spearman's, over the cities that both rankings rank; none where it is not defined.
        notices: what must be said beside the scores.
    """

    connection: duckdb.DuckDBPyConnection
    release_id: str
    edition: Edition
    change: Change
    city_count: int
    moved_count: int
    largest_moves: list[Move]
    rank_correlation: float | None
    notices: list[str]

    @property
    def statement(self) -> str:
        """That this is no published ranking."""
        return whatif_notice(self.change)

    def rows(self, limit: int) -> list[tuple]:
        """The first rows: new and published rank, change, name in both languages, new and published score."""
        return self.connection.execute(
            "select new_rank, published_rank, rank_change, city_zh, city_en, new_score, published_score "
            f"from {RANKING} order by {RANKING_ORDER} limit ?",
            [min(limit, self.city_count)],
        ).fetchall()


def whatif_notice(change: Change) -> str:
    """The sentence that stands beside every changed score."""
    return f"What-if, not published: {change.sentence()}."


def ask(
    settings: Settings,
    weights: Path | None,
    excluded: Sequence[str],
    index_code: str | None = None,
    edition: str | None = None,
    exports: Path | None = None,
) -> Answer:
    """Score an edition under changed weights; what is published is only read.

    Args:
        settings: whose published database.
        weights: a file of weights; none where indicators are left out alone.
        excluded: the indicators to leave out.
        index_code: the index; the only one by default, or that of the file.
        edition: the edition; the index's newest by default, or that of the file.
        exports: a folder that the answer may be written into; it can be written nowhere by default.

    Raises:
        UsageError: nothing is asked, or about something that is not there.
        NothingPublishable: nothing is published, or the file of weights cannot be used.
    """
    if weights is None and not excluded:
        raise UsageError("name a file of weights with --weights, an indicator with --exclude-indicator, or both")
    file = read_weights(weights) if weights is not None else None
    with published_database(settings, [exports] if exports else []) as connection:
        chosen = choose_edition(
            connection,
            index_code or _said_by_all(file, "index_code"),
            edition or _said_by_all(file, "edition"),
        )
        nodes = _nodes(connection, chosen)
        if file is not None:
            _judge(file, chosen, nodes)
            file.demand_no_fault()
        change = _change(chosen, nodes, file, excluded)
        (release_id,) = connection.execute("select release_id from published.meta_release").fetchone()
        _rank(connection, Formulas(settings.project_directory), chosen, change)
    return _answer(connection, release_id, chosen, change)


def _said_by_all(file: WeightsFile | None, column: str) -> str | None:
    said = {getattr(given, column) for given in file.weights} if file is not None else set()
    return said.pop() if len(said) == 1 else None


def _nodes(connection: duckdb.DuckDBPyConnection, edition: Edition) -> dict[str, Node]:
    return {
        code: Node(parent_code, weight)
        for code, parent_code, weight in connection.execute(
            "select indicator_code, parent_code, weight from published.dim_indicators "
            "where index_code = ? and edition = ? order by level, indicator_code",
            [edition.index_code, edition.edition],
        ).fetchall()
    }


def _judge(file: WeightsFile, edition: Edition, nodes: dict[str, Node]) -> None:
    """Add to the faults of a file what is wrong with it for this edition."""
    first_rows: dict[str, int] = {}
    for given in file.weights:
        for column in ("index_code", "edition"):
            said = getattr(given, column)
            if said not in (None, getattr(edition, column)):
                file.faults.append(
                    Fault(given.row_number, column, f"it is {in_quotes(said)}, and the question is about {edition}")
                )
        if given.indicator_code not in nodes:
            reason = (
                f"{edition} has no indicator {in_quotes(given.indicator_code)}{similar(given.indicator_code, nodes)}"
            )
            file.faults.append(Fault(given.row_number, "indicator_code", reason))
        elif given.indicator_code in first_rows:
            reason = (
                f"{in_quotes(given.indicator_code)} is given twice, first in row {first_rows[given.indicator_code]}"
            )
            file.faults.append(Fault(given.row_number, "indicator_code", reason))
        first_rows.setdefault(given.indicator_code, given.row_number)


def _change(edition: Edition, nodes: dict[str, Node], file: WeightsFile | None, excluded: Sequence[str]) -> Change:
    """What goes and what is weighted anew.

    Raises:
        UsageError: an indicator to be left out is not there, or nothing would be left.
    """
    excluded = tuple(dict.fromkeys(excluded))
    for code in excluded:
        if code not in nodes:
            raise UsageError(f"--exclude-indicator: {edition} has no indicator {in_quotes(code)}{similar(code, nodes)}")
        if nodes[code].parent_code is None:
            raise UsageError(f"--exclude-indicator: {code} is the root of {edition}; name an indicator below it")
    inner = {node.parent_code for node in nodes.values()}
    gone = set(excluded)
    # A tree is no deeper than its nodes are many; what goes grows until nothing more goes with it.
    while True:
        left = {code: node for code, node in nodes.items() if code not in gone}
        childless = inner - {None} - {node.parent_code for node in left.values()}
        more = {code for code, node in left.items() if node.parent_code in gone or code in childless}
        if not more:
            break
        gone |= more
    if not left:
        raise UsageError(f"--exclude-indicator: nothing of {edition} is left to be scored; exclude less")
    weights = {given.indicator_code: given.weight for given in (file.weights if file is not None else ())}
    return Change(weights, excluded, frozenset(gone), _shares(left, weights))


def _shares(nodes: dict[str, Node], weights: dict[str, float]) -> dict[str, tuple[float, float]]:
    """The share of its parent of each node with a given weight, before and after."""
    siblings: dict[str | None, list[float]] = defaultdict(list)
    for code, node in nodes.items():
        siblings[node.parent_code].append(weights.get(code, node.weight))
    # Divided by the largest first: weights may be as large as numbers get.
    largest = {parent: max(group) for parent, group in siblings.items()}
    sums = {parent: math.fsum(weight / largest[parent] for weight in group) for parent, group in siblings.items()}
    return {
        code: (
            nodes[code].weight,
            weight / largest[nodes[code].parent_code] / sums[nodes[code].parent_code],
        )
        for code, weight in weights.items()
        if code in nodes
    }


def _rank(connection: duckdb.DuckDBPyConnection, formulas: Formulas, edition: Edition, change: Change) -> None:
    """Score the changed tree over the published tertiary scores, into the table ``ranking``."""
    key = [edition.index_code, edition.edition]
    connection.execute("create table given_weights (indicator_code varchar primary key, weight double)")
    if change.weights:
        connection.executemany("insert into given_weights values (?, ?)", list(change.weights.items()))
    # Weights of any size are brought near one, as in the warehouse: by a power of two, which changes no digit.
    magnitude = formulas.magnitude_of("max(weight) over (partition by parent_code)")
    connection.execute(
        f"""
        create table indicators as
        with weighted as (
            select nodes.* exclude (weight), coalesce(given_weights.weight, nodes.weight) as weight
            from published.dim_indicators as nodes
            left join given_weights using (indicator_code)
            where nodes.index_code = ? and nodes.edition = ? and not list_contains(?, nodes.indicator_code)
        )
        select
            'whatif' as scenario,
            * replace (weight / {magnitude} as weight)
        from weighted
        """,
        [*key, sorted(change.gone)],
    )
    connection.execute(
        """
        create table tertiaries as
        select
            'whatif' as scenario,
            scores.index_code,
            scores.edition,
            scores.city_code,
            scores.indicator_code,
            scores.score,
            1 as tertiary_count,
            cast(scores.coverage_share as int) as observed_tertiary_count,
            cast(scores.is_imputed as int) as imputed_tertiary_count,
            scores.weighted_coverage_share,
            scores.provenance as first_provenance,
            scores.provenance as last_provenance
        from published.fct_indicator_scores as scores
        inner join indicators using (index_code, edition, indicator_code)
        where scores.level = 3
        """
    )
    connection.execute(f"create table nodes as {formulas.tree_scores('tertiaries', 'indicators')}")
    connection.execute(
        f"""
        create table {RANKING} as
        with totals as (
            select nodes.city_code, nodes.score
            from nodes
            inner join indicators using (indicator_code)
            where indicators.parent_code is null
        ),
        compared as (
            select
                published.index_code,
                published.edition,
                published.city_code,
                totals.score as new_score,
                published.total_score as published_score,
                published.total_rank as published_rank
            from published.fct_city_scores as published
            left join totals using (city_code)
            where published.index_code = $index_code and published.edition = $edition
        ),
        ranked as (
            select *, {formulas.descending_rank("new_score", ["index_code", "edition"])} as new_rank
            from compared
        )
        select
            ranked.index_code,
            ranked.edition,
            ranked.city_code,
            report.city_zh,
            report.city_en,
            ranked.new_rank,
            ranked.published_rank,
            ranked.published_rank - ranked.new_rank as rank_change,
            ranked.new_score,
            ranked.published_score,
            ranked.new_score - ranked.published_score as score_change,
            report.publisher_zh,
            report.publisher_en,
            report.notice_zh,
            report.notice_en,
            $whatif_notice as whatif_notice
        from ranked
        inner join published.rpt_city_index as report using (index_code, edition, city_code)
        """,
        {"index_code": key[0], "edition": key[1], "whatif_notice": whatif_notice(change)},
    )


def _answer(connection: duckdb.DuckDBPyConnection, release_id: str, edition: Edition, change: Change) -> Answer:
    city_count, moved_count = connection.execute(
        f"select count(*), count(*) filter (where new_rank is distinct from published_rank) from {RANKING}"
    ).fetchone()
    moves = connection.execute(
        f"select city_zh || ' ' || city_en, published_rank, new_rank from {RANKING} "
        f"where rank_change <> 0 order by abs(rank_change) desc, city_code limit {_LARGEST_MOVES}"
    ).fetchall()
    # Spearman's coefficient is that of the ranks, those of a tie being their mean. A rank that others share as well is
    # the smallest of them.
    (correlation,) = connection.execute(
        f"""
        with ranked_twice as (
            select new_rank, published_rank from {RANKING}
            where new_rank is not null and published_rank is not null
        ),
        placed as (
            select
                rank() over (order by new_rank) + count(*) over (partition by new_rank) / 2 as new_place,
                rank() over (order by published_rank) + count(*) over (partition by published_rank) / 2
                    as published_place
            from ranked_twice
        )
        select case when count(distinct new_place) > 1 and count(distinct published_place) > 1
            then corr(new_place, published_place) end
        from placed
        """
    ).fetchone()
    notices = connection.execute(f"select distinct notice_zh, notice_en from {RANKING}").fetchone()
    return Answer(
        connection=connection,
        release_id=release_id,
        edition=edition,
        change=change,
        city_count=city_count,
        moved_count=moved_count,
        largest_moves=[Move(*move) for move in moves],
        rank_correlation=correlation,
        notices=[notice for notice in notices if notice],
    )
