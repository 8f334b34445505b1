"""Two sides compared, as data: editions, what was decided otherwise, and the cities that moved with the reasons.

What belongs here: the shape of a comparison, and reading it from the tables that ``effects`` made. What does not:
printing.
"""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from city_index.comparison import choices
from city_index.comparison.effects import NOT_KNOWN, find_effects
from city_index.comparison.sides import Side, Sides, choose_sides
from city_index.comparison.tables import AFTER, BEFORE, Lacks, view_sides
from city_index.database import connect, in_bounded_memory
from city_index.errors import CityIndexError, UsageError, in_one_line
from city_index.published import similar
from city_index.settings import Settings
from city_index.weights_file import in_quotes

_TOP = 10
_NAMED_CITIES = 20
_SHOWN_ERROR = 160
_BATCH = 1000


@dataclass(frozen=True)
class Batch:
    """A landed batch that only one side holds.

    Attributes:
        batch_id: the batch.
        kind: what landed.
        file_name: the file.
        received_count: its rows.
        accepted_count: those that were accepted.
        quarantined_count: those that were refused.
        has_come: whether the side after holds it.
    """

    batch_id: str
    kind: str | None
    file_name: str | None
    received_count: int | None
    accepted_count: int | None
    quarantined_count: int | None
    has_come: bool


@dataclass(frozen=True)
class Corrections:
    """How many fields of earlier rows a batch changed that only one side holds."""

    kind: str
    batch_id: str
    file_name: str | None
    field_count: int
    has_come: bool


@dataclass(frozen=True)
class LeafEffect:
    """What a tertiary did to the total of a city; score_effect + weight_effect = contribution_change.

    Attributes:
        indicator_code: the tertiary.
        name_zh: its Chinese name.
        name_en: its English name.
        score_before: its score; none where it was missing.
        score_after: its score; none where it is missing.
        weight_before: its realised weight, contribution / score.
        weight_after: the same of the side after.
        contribution_before: its points of the total; 0 where it was missing.
        contribution_after: its points of the total; 0 where it is missing.
        contribution_method: how points were shared out; other than exact they are shares.
        contribution_change: contribution after - before.
        score_effect: the points that its score moved.
        score_cause: why; none where it moved none.
        weight_effect: the points that its weight moved.
        weight_cause: why; none where it moved none.
        value_before: the value as it was observed or derived.
        value_after: the value as it is.
        provenance_before: of the value.
        provenance_after: of the value.
        batch_id: the batch that corrected it.
        file_name: the file of that batch.
        note: what else is to be said.
    """

    indicator_code: str
    name_zh: str
    name_en: str
    score_before: float | None
    score_after: float | None
    weight_before: float | None
    weight_after: float | None
    contribution_before: float
    contribution_after: float
    contribution_method: str | None
    contribution_change: float
    score_effect: float
    score_cause: str | None
    weight_effect: float
    weight_cause: str | None
    value_before: float | None
    value_after: float | None
    provenance_before: str | None
    provenance_after: str | None
    batch_id: str | None
    file_name: str | None
    note: str | None


@dataclass(frozen=True)
class CauseSum:
    """The points of a city's total that are due to a cause."""

    cause: str
    points: float


@dataclass(frozen=True)
class CityMove:
    """A city, before and after.

    Attributes:
        place: its place among the cities that moved, those that moved furthest first.
        city_code: the city.
        city_zh: its Chinese name.
        city_en: its English name.
        is_before: whether the edition had it before.
        is_after: whether it has it after.
        total_before: its total; none where it had none.
        total_after: its total; none where it has none.
        score_change: total after - before; none where one is missing.
        rank_before: its rank.
        rank_after: its rank.
        rank_change: rank before - after: positive where it moved up.
        tier_before: code of its tier.
        tier_after: code of its tier.
        coverage_before: share of its tertiaries that were observed.
        coverage_after: share of its tertiaries that are observed.
        provenance_before: of its observations.
        provenance_after: of its observations.
        is_score_moved: whether its total moved by more than arithmetic does.
        causes: its change by cause, the largest first; they add up to the change.
        effects: the same by tertiary, the largest first; they add up to the change.
        unexplained: what they lack of the change: the last digits of the arithmetic.
        reason: in a word or two, why it moved.
    """

    place: int
    city_code: str
    city_zh: str
    city_en: str
    is_before: bool
    is_after: bool
    total_before: float | None
    total_after: float | None
    score_change: float | None
    rank_before: int | None
    rank_after: int | None
    rank_change: int | None
    tier_before: str | None
    tier_after: str | None
    coverage_before: float | None
    coverage_after: float | None
    provenance_before: str | None
    provenance_after: str | None
    is_score_moved: bool
    causes: tuple[CauseSum, ...] = ()
    effects: tuple[LeafEffect, ...] = ()
    unexplained: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class EditionCause:
    """A cause over all cities of an edition.

    Attributes:
        cause: the cause.
        city_count: the cities of which it moved a tertiary.
        absolute_points: the points that it moved, up and down, all counted as positive.
        largest_points: the most that it moved by one tertiary of one city, with its sign.
    """

    cause: str
    city_count: int
    absolute_points: float
    largest_points: float


@dataclass(frozen=True)
class Movement:
    """How much moved in an edition.

    Attributes:
        city_count_before: its cities before.
        city_count_after: its cities after.
        came_count: cities that came.
        went_count: cities that went.
        moved_count: cities of which anything moved.
        score_moved_count: cities whose total moved, came or went.
        rank_moved_count: cities whose rank moved, came or went.
        tier_moved_count: cities in another tier.
        largest_score_change: the furthest move of a total, with its sign.
        largest_rank_change: the furthest move of a rank, positive where it is up.
        rank_correlation: Spearman's, over the cities that both sides rank; none where it is not defined.
        entered_top: names of the cities that came into the first ten; the first of them.
        left_top: names of those that went out of them.
    """

    city_count_before: int
    city_count_after: int
    came_count: int
    went_count: int
    moved_count: int
    score_moved_count: int
    rank_moved_count: int
    tier_moved_count: int
    largest_score_change: float | None
    largest_rank_change: int | None
    rank_correlation: float | None
    entered_top: tuple[str, ...]
    left_top: tuple[str, ...]


@dataclass(frozen=True)
class EditionComparison:
    """An edition of an index, before and after.

    Attributes:
        index_code: the index.
        edition: the edition.
        title: what it is called.
        publisher: who published the assessment.
        is_synthetic: whether it is made of synthetic records.
        report_decimals: decimals at which its scores are shown.
        is_before: whether the side before has it.
        is_after: whether the side after has it.
        notices: what must be said beside its scores.
        tier_names: names of the tiers by their codes.
        edition_choices: what differs in how it describes itself.
        framework_choices: what differs in its framework.
        tier_choices: what differs in the tiers of its index.
        indicators: indicators that came or went.
        clusters: clusters whose score moved.
        causes: why the totals moved, over all cities.
        movement: how much moved; none where only one side has the edition.
    """

    index_code: str
    edition: str
    title: str
    publisher: str | None
    is_synthetic: bool
    report_decimals: int
    is_before: bool
    is_after: bool
    notices: tuple[str, ...] = ()
    tier_names: dict[str, str] | None = None
    edition_choices: tuple[choices.Choice, ...] = ()
    framework_choices: tuple[choices.Choice, ...] = ()
    tier_choices: tuple[choices.Choice, ...] = ()
    indicators: tuple[choices.IndicatorOfOneSide, ...] = ()
    clusters: tuple[choices.ClusterMove, ...] = ()
    causes: tuple[EditionCause, ...] = ()
    movement: Movement | None = None

    def __str__(self) -> str:
        return f"{self.index_code} {self.edition}"


@dataclass(frozen=True)
class Comparison:
    """Two sides compared.

    Attributes:
        connection: a database in memory with the tables of what moved.
        before: the side before.
        after: the side after.
        remarks: what has to be said of the comparison: how the sides were chosen, what could not be compared.
        batches: landed batches that only one side holds.
        corrections: what such batches changed in earlier rows.
        cluster_members: cities in another cluster.
        editions: the editions, those of synthetic records last.
        city_code: the city that was asked for.
    """

    connection: duckdb.DuckDBPyConnection
    before: Side
    after: Side
    remarks: tuple[str, ...]
    batches: tuple[Batch, ...]
    corrections: tuple[Corrections, ...]
    cluster_members: tuple[choices.Choice, ...]
    editions: tuple[EditionComparison, ...]
    city_code: str | None

    def moves(self, edition: EditionComparison, limit: int | None = None) -> Iterator[CityMove]:
        """The cities of an edition that moved, furthest first, or the one that was asked for, moved or not.

        Args:
            edition: one of the editions.
            limit: how many at most; all by default, read little by little.
        """
        if edition.movement is None:
            return
        named = {"index_code": edition.index_code, "edition": edition.edition}
        if self.city_code is None:
            moved_count = edition.movement.moved_count
            chosen = "place <= $last"
            named["last"] = moved_count if limit is None else min(limit, moved_count)
        else:
            chosen = "city_code = $city_code"
            named["city_code"] = self.city_code
        where = f"where index_code = $index_code and edition = $edition and {chosen}"
        cities = _rows(
            self.connection,
            "select place, city_code, city_zh, city_en, is_before, is_after, total_before, total_after, score_change, "
            "rank_before, rank_after, rank_change, tier_before, tier_after, coverage_before, coverage_after, "
            f"provenance_before, provenance_after, is_score_moved from cities {where} order by place",
            named,
        )
        effects = _by_place(
            self.connection,
            "select place, indicator_code, name_zh, name_en, score_before, score_after, weight_before, weight_after, "
            "contribution_before, contribution_after, contribution_method, contribution_change, score_effect, "
            "score_cause, weight_effect, weight_cause, value_before, value_after, provenance_before, "
            f"provenance_after, batch_id, file_name, note from leaves {where} "
            "order by place, abs(contribution_change) desc, abs(score_effect) desc, indicator_code",
            named,
        )
        causes = _by_place(
            self.connection,
            f"select place, cause, points from causes {where} order by place, abs(points) desc, cause",
            named,
        )
        for row in cities:
            yield _explained(
                CityMove(*row),
                tuple(CauseSum(*columns) for columns in causes(row[0])),
                tuple(LeafEffect(*columns) for columns in effects(row[0])),
            )


def _rows(connection: duckdb.DuckDBPyConnection, query: str, named: dict) -> Iterator[tuple]:
    """The rows of a query, read little by little."""
    with connection.cursor() as cursor:
        cursor.execute(query, named)
        while batch := cursor.fetchmany(_BATCH):
            yield from batch


def _by_place(connection: duckdb.DuckDBPyConnection, query: str, named: dict) -> Callable[[int], list[tuple]]:
    """Gives the rows of a place without the place, for places that are asked for in their order."""
    groups = itertools.groupby(_rows(connection, query, named), key=lambda row: row[0])
    waiting: list = [next(groups, None)]

    def of(place: int) -> list[tuple]:
        if waiting[0] is None or waiting[0][0] != place:
            return []
        found = [row[1:] for row in waiting[0][1]]
        waiting[0] = next(groups, None)
        return found

    return of


def _explained(move: CityMove, causes: tuple[CauseSum, ...], effects: tuple[LeafEffect, ...]) -> CityMove:
    unexplained = None
    if move.score_change is not None:
        unexplained = math.fsum([move.score_change, *(-effect.contribution_change for effect in effects)])
    return replace(move, causes=causes, effects=effects, unexplained=unexplained, reason=_reason(move, causes))


def _reason(move: CityMove, causes: tuple[CauseSum, ...]) -> str:
    if not move.is_before:
        return "city came"
    if not move.is_after:
        return "city went"
    if move.total_before is None and move.total_after is not None:
        return "has a total now"
    if move.total_before is not None and move.total_after is None:
        return "has no total any more"
    if move.is_score_moved:
        return causes[0].cause if causes else NOT_KNOWN
    if move.rank_change:
        return "others moved"
    if move.tier_before != move.tier_after:
        return "tiers moved"
    if (move.coverage_before, move.provenance_before) != (move.coverage_after, move.provenance_after):
        return "observations changed"
    return ""


@contextmanager
def compare(
    settings: Settings,
    first: str | None = None,
    second: str | None = None,
    index_code: str | None = None,
    edition: str | None = None,
    city: str | None = None,
) -> Iterator[Comparison]:
    """Compare two releases, or the published one and the build that waits; both are only read.

    Args:
        settings: whose releases.
        first: the side before, as ``choose_sides`` takes it.
        second: the side after.
        index_code: compare the editions of this index alone.
        edition: compare editions of this label alone.
        city: code or name of the city that is asked about, in either language.

    Raises:
        UsageError: a release, an index, an edition or a city is not there.
        NothingPublishable: nothing is published, or there is nothing to compare it with.
        RebuildRunning: the build is being written.
        CityIndexError: a side is damaged, or cannot be compared.
    """
    with compare_sides(settings, choose_sides(settings, first, second), index_code, edition, city) as comparison:
        yield comparison


@contextmanager
def compare_sides(
    settings: Settings,
    sides: Sides,
    index_code: str | None = None,
    edition: str | None = None,
    city: str | None = None,
) -> Iterator[Comparison]:
    """Compare two sides that were chosen; see ``compare``."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        memory = in_bounded_memory(settings.build_memory_bytes, Path(folder) / "spilled")
        databases = {f"{BEFORE}_release": sides.before.database, f"{AFTER}_release": sides.after.database}
        try:
            with connect(memory, databases=databases) as connection:
                yield _compared(connection, sides, index_code, edition, city)
        except duckdb.IOException as error:
            raise CityIndexError(
                f"{sides.before.label} or {sides.after.label} cannot be read ({in_one_line(error, _SHOWN_ERROR)}); "
                "run `city-index doctor`"
            ) from error
        except duckdb.Error as error:
            raise CityIndexError(
                f"{sides.before.label} and {sides.after.label} cannot be compared "
                f"({in_one_line(error, _SHOWN_ERROR)}); run `city-index run`"
            ) from error


def _compared(
    connection: duckdb.DuckDBPyConnection,
    sides: Sides,
    index_code: str | None,
    edition: str | None,
    city: str | None,
) -> Comparison:
    lacks = view_sides(connection, sides.before, sides.after)
    editions = _editions(connection, index_code, edition)
    find_effects(connection, lacks, sides.before.code_version == sides.after.code_version)
    city_code = None if city is None else _city(connection, editions, city)
    remarks = [*sides.remarks, *lacks.remarks]
    if not lacks.has("fct_indicator_scores", "contribution", "contribution_method"):
        remarks.append("Without contributions on both sides nothing can be said of why totals moved.")
    return Comparison(
        connection=connection,
        before=sides.before,
        after=sides.after,
        remarks=tuple(remarks),
        batches=_batches(connection, lacks),
        corrections=_corrections(connection),
        cluster_members=choices.cluster_members(connection),
        editions=tuple(_of_edition(connection, each, lacks) for each in editions),
        city_code=city_code,
    )


def _editions(
    connection: duckdb.DuckDBPyConnection, index_code: str | None, edition: str | None
) -> list[EditionComparison]:
    rows = connection.execute(
        """
        select
            index_code,
            edition,
            coalesce(after.title_zh, before.title_zh, after.title_en, before.title_en, index_code),
            coalesce(after.publisher_zh, after.publisher_en, before.publisher_zh, before.publisher_en),
            coalesce(after.is_synthetic, before.is_synthetic, false) as is_synthetic,
            coalesce(after.report_decimals, before.report_decimals, 1),
            before.edition is not null,
            after.edition is not null
        from before_dim_editions as before
        full join after_dim_editions as after using (index_code, edition)
        order by is_synthetic, index_code, coalesce(after.edition_ordinal, before.edition_ordinal) nulls last, edition
        """
    ).fetchall()
    every = [EditionComparison(*row) for row in rows]
    chosen = [each for each in every if index_code in (None, each.index_code) and edition in (None, each.edition)]
    if not chosen:
        asked = " ".join(
            f"{option} {in_quotes(given)}"
            for option, given in (("--index", index_code), ("--edition", edition))
            if given is not None
        )
        raise UsageError(f"neither side has {asked or 'an edition'}; there is {', '.join(map(str, every)) or 'none'}")
    return chosen


def _city(connection: duckdb.DuckDBPyConnection, editions: list[EditionComparison], given: str) -> str:
    """The code of the city that is meant.

    Raises:
        UsageError: no compared edition has it, or the name has several.
    """
    keys = [[each.index_code, each.edition] for each in editions]
    rows = connection.execute(
        "select distinct city_code, city_zh, city_en from cities "
        "where list_contains($keys, [index_code, edition]) "
        "and lower($given) in (lower(city_code), lower(city_zh), lower(city_en)) order by city_code",
        {"keys": keys, "given": given.strip()},
    ).fetchall()
    wanted = given.strip().casefold()
    found = {row[0] for row in rows if row[0].casefold() == wanted} or {row[0] for row in rows}
    if len(found) > 1:
        raise UsageError(f"several cities are called {in_quotes(given)}: {', '.join(sorted(found))}")
    if not found:
        known = connection.execute("select distinct city_code, city_zh, city_en from cities").fetchall()
        names = [name for row in known for name in row]
        raise UsageError(f"neither side has a city {in_quotes(given)}{similar(given, names, 'dim_cities')}")
    return found.pop()


def _batches(connection: duckdb.DuckDBPyConnection, lacks: Lacks) -> tuple[Batch, ...]:
    if not lacks.has("meta_batches"):
        return ()
    rows = connection.execute(
        """
        with of_one_side as (
            select *, true as has_come from after_meta_batches anti join before_meta_batches using (batch_id)
            union all
            select *, false as has_come from before_meta_batches anti join after_meta_batches using (batch_id)
        )
        select batch_id, kind, file_name, received_count, accepted_count, quarantined_count, has_come
        from of_one_side
        order by has_come desc, batch_number, batch_id
        """
    ).fetchall()
    return tuple(Batch(*row) for row in rows)


def _corrections(connection: duckdb.DuckDBPyConnection) -> tuple[Corrections, ...]:
    rows = connection.execute(
        """
        with of_one_side as (
            select *, true as has_come from corrections
            union all
            select *, false as has_come from undone_corrections
        )
        select kind, batch_id, file_name, count(*), has_come
        from of_one_side
        group by all
        order by has_come desc, kind, batch_id
        """
    ).fetchall()
    return tuple(Corrections(*row) for row in rows)


def _of_edition(connection: duckdb.DuckDBPyConnection, edition: EditionComparison, lacks: Lacks) -> EditionComparison:
    key = (edition.index_code, edition.edition)
    notices = _notices(connection, edition)
    if not (edition.is_before and edition.is_after):
        return replace(edition, notices=notices)
    tier_names = dict(
        connection.execute(
            "select tier_code, coalesce(after.name_zh, before.name_zh, after.name_en, before.name_en, tier_code) "
            "from before_dim_tiers as before full join after_dim_tiers as after using (index_code, tier_code) "
            "where index_code = ?",
            [edition.index_code],
        ).fetchall()
    )
    return replace(
        edition,
        notices=notices,
        tier_names=tier_names,
        edition_choices=choices.edition_choices(connection, *key),
        framework_choices=choices.framework_choices(connection, *key),
        tier_choices=choices.tier_choices(connection, edition.index_code),
        indicators=choices.indicators_of_one_side(connection, *key),
        clusters=choices.cluster_moves(connection, *key),
        causes=tuple(
            EditionCause(*row)
            for row in connection.execute(
                """
                with effects as (
                    select index_code, edition, place, score_cause as cause, score_effect as points from leaves
                    union all
                    select index_code, edition, place, weight_cause as cause, weight_effect as points from leaves
                )
                select cause, count(distinct place), sum(abs(points)), arg_max(points, abs(points))
                from effects
                where index_code = ? and edition = ? and cause is not null
                group by cause
                order by 3 desc, 1
                """,
                key,
            ).fetchall()
        ),
        movement=_movement(connection, key),
    )


def _notices(connection: duckdb.DuckDBPyConnection, edition: EditionComparison) -> tuple[str, ...]:
    """What must be said beside the scores of the side after, and of the side before where that said something else."""
    said: dict[str, list[str]] = {}
    for side in ("after", "before"):
        rows = connection.execute(
            f"select distinct notice_zh, notice_en from {side}_rpt_city_index "
            "where index_code = ? and edition = ? order by all",
            [edition.index_code, edition.edition],
        ).fetchall()
        said[side] = [notice for row in rows for notice in row if notice]
    return (*said["after"], *(f"Before: {notice}" for notice in said["before"] if notice not in said["after"]))


def _movement(connection: duckdb.DuckDBPyConnection, key: tuple[str, str]) -> Movement:
    figures = connection.execute(
        """
        select
            count(*) filter (where is_before),
            count(*) filter (where is_after),
            count(*) filter (where not is_before),
            count(*) filter (where not is_after),
            count(*) filter (where is_moved),
            count(*) filter (where is_score_moved),
            count(*) filter (where is_rank_moved),
            count(*) filter (where is_tier_moved and is_before and is_after),
            arg_max(score_change, abs(score_change)) filter (where is_score_moved),
            arg_max(rank_change, abs(rank_change)) filter (where rank_change <> 0)
        from cities
        where index_code = ? and edition = ?
        """,
        key,
    ).fetchone()
    # Spearman's coefficient is that of the ranks, those of a tie being their mean. A rank that others share as well is
    # the smallest of them.
    (correlation,) = connection.execute(
        """
        with ranked_twice as (
            select rank_before, rank_after from cities
            where index_code = ? and edition = ? and rank_before is not null and rank_after is not null
        ),
        placed as (
            select
                rank() over (order by rank_before) + count(*) over (partition by rank_before) / 2 as place_before,
                rank() over (order by rank_after) + count(*) over (partition by rank_after) / 2 as place_after
            from ranked_twice
        )
        select case when count(distinct place_before) > 1 and count(distinct place_after) > 1
            then corr(place_before, place_after) end
        from placed
        """,
        key,
    ).fetchone()
    return Movement(
        *figures,
        correlation,
        _top_changes(connection, key, "rank_after", "rank_before"),
        _top_changes(connection, key, "rank_before", "rank_after"),
    )


def _top_changes(connection: duckdb.DuckDBPyConnection, key: tuple[str, str], has: str, lacks: str) -> tuple[str, ...]:
    return tuple(
        name
        for (name,) in connection.execute(
            f"select city_zh || ' ' || city_en from cities where index_code = ? and edition = ? "
            f"and {has} <= {_TOP} and coalesce({lacks} > {_TOP}, true) order by {has}, city_code limit {_NAMED_CITIES}",
            key,
        ).fetchall()
    )
