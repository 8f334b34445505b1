"""Where a score comes from: the chain from the total of a city down to its observations and records.

What belongs here: reading the chain from the published tables. What does not: showing it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

import duckdb

from city_index.errors import NothingPublishable, UsageError
from city_index.published import Edition, choose_edition, published_database, similar
from city_index.settings import Settings
from city_index.weights_file import in_quotes


@dataclass(frozen=True)
class Record:
    """What a value rests on.

    Attributes:
        kind: observation, hospital_grade or evidence.
        record_id: the hospital or the record of evidence; none of an observation.
        title: title, name of the hospital, or source of the observation.
        on: its day.
        detail: what it says: grade and beds; or kind, status and the rule that sorted it.
        value: what it brings: of a hospital its score, or 100 or 0 by the grade that the rule asks for; points of a
            record; value of an observation.
        weight: what a hospital weighs.
        publisher: who published it.
        url: its address.
    """

    kind: str
    record_id: str | None
    title: str | None
    on: date | None
    detail: str | None
    value: float | None
    weight: float | None
    publisher: str | None
    url: str | None


@dataclass(frozen=True)
class Value:
    """How the value of a tertiary became its score; see the table fct_indicator_values."""

    observed_value: float | None
    observed_on: date | None
    source: str | None
    denominator: str | None
    denominator_year: int | None
    divisor: float | None
    denominated_value: float | None
    is_imputed: bool
    untreated_value: float | None
    treatment: str
    treated_value: float | None


@dataclass(frozen=True)
class Derivation:
    """How a rule made a value from records; see the tables fct_derived_observations and dim_derivation_rules."""

    rule_code: str
    feed: str
    formula: str
    value: float
    as_of: date
    record_count: int
    scope_count: int | None
    coverage_share: float | None
    is_low_coverage: bool
    is_used: bool
    used_provenance: str | None
    weighting: str | None
    without_beds_count: int | None
    standard: str | None
    least_grade: str | None
    status: str
    note: str | None


@dataclass(eq=False)
class Node:
    """A node of the tree with what the city has there; it equals itself alone.

    Attributes:
        code: the indicator; the root is the total.
        name_zh: its Chinese name.
        name_en: its English name.
        level: 0 total to 3 tertiary.
        weight: share (0..1) of its parent.
        weight_status: printed, derived or assumed.
        aggregation: how its children become its score; none of a tertiary.
        normalisation: how its value becomes its score; of a tertiary.
        score: its score.
        rank: rank among the cities of the edition.
        contribution: points of the total that it brings.
        contribution_method: exact, or how it was shared out; see the table fct_indicator_scores.
        provenance: what its observations are.
        missing_reason: why it has no score.
        children: the nodes below, in the order of the framework.
        value: of a tertiary, how its value became its score.
        derivation: of a tertiary, the value that a rule made from records, used or not.
        record_count: how many records its value rests on.
        records: the strongest of them.
    """

    code: str
    name_zh: str
    name_en: str
    level: int
    weight: float
    weight_status: str
    aggregation: str | None
    normalisation: str | None
    score: float | None
    rank: int | None
    contribution: float | None
    contribution_method: str | None
    provenance: str | None
    missing_reason: str | None
    children: list[Node] = field(default_factory=list)
    value: Value | None = None
    derivation: Derivation | None = None
    record_count: int = 0
    records: list[Record] = field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        """The node and all nodes below, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class Explanation:
    """The chain from the total of a city to the records of an indicator.

    Attributes:
        release_id: the release it is read from.
        edition: the edition.
        city_code: the city.
        city_zh: its Chinese name.
        city_en: its English name.
        city_count: cities of the edition with a total.
        tier_zh: tier of the city; none where the index has no tiers.
        rank_interval: the ranks between which the city stands in nine of ten worlds with other weights; none without a
            rank.
        path: the nodes from the root to the indicator that was asked for.
        notices: what has to be said beside the scores.
    """

    release_id: str
    edition: Edition
    city_code: str
    city_zh: str
    city_en: str
    city_count: int
    tier_zh: str | None
    rank_interval: tuple[int, int] | None
    path: tuple[Node, ...]
    notices: tuple[str, ...]

    @property
    def root(self) -> Node:
        """The total."""
        return self.path[0]

    @property
    def target(self) -> Node:
        """The indicator that was asked for."""
        return self.path[-1]


def explain(
    settings: Settings,
    city: str,
    indicator: str,
    index_code: str | None = None,
    edition: str | None = None,
    record_limit: int = 20,
) -> Explanation:
    """Read the chain of a score from what is published.

    Args:
        settings: whose published database.
        city: code or name of the city, in either language.
        indicator: code or name of a node of the tree, in either language; ``total`` is the root.
        index_code: the index; the only one by default.
        edition: the edition; the index's newest by default.
        record_limit: how many records of a tertiary to read at most.

    Raises:
        UsageError: the city, the indicator, the index or the edition is not there, or a name has several.
        NothingPublishable: nothing is published.
    """
    with published_database(settings) as connection:
        chosen = choose_edition(connection, index_code, edition)
        city_code, city_zh, city_en, tier_zh, rank_interval, notices = _city(connection, chosen, city)
        nodes = _nodes(connection, chosen, city_code)
        path = _path(nodes, _indicator(chosen, nodes, indicator))
        _add_values(connection, chosen, city_code, nodes, record_limit)
        (release_id,) = connection.execute("select release_id from published.meta_release").fetchone()
    connection.close()
    return Explanation(
        release_id,
        chosen,
        city_code,
        city_zh,
        city_en,
        chosen.scored_city_count,
        tier_zh,
        rank_interval,
        path,
        notices,
    )


def _city(connection: duckdb.DuckDBPyConnection, edition: Edition, given: str) -> tuple:
    rows = connection.execute(
        "select city_code, city_zh, city_en, tier_zh, rank_p05, rank_p95, notice_zh, notice_en "
        "from published.rpt_city_index "
        "where index_code = ? and edition = ? order by city_code",
        [edition.index_code, edition.edition],
    ).fetchall()
    wanted = given.strip().casefold()
    found = [row for row in rows if row[0].casefold() == wanted] or [
        row for row in rows if wanted in (row[1].casefold(), row[2].casefold())
    ]
    if not found:
        others = connection.execute(
            "select distinct edition from published.rpt_city_index where index_code = ? and edition <> ? "
            "and lower(?) in (lower(city_code), lower(city_zh), lower(city_en)) order by edition",
            [edition.index_code, edition.edition, given.strip()],
        ).fetchall()
        names = [name for row in rows for name in row[:3]]
        advice = (
            f"; --edition {', '.join(other for (other,) in others)} has it"
            if others
            else similar(given, names, "dim_cities")
        )
        raise UsageError(f"{edition} has no city {in_quotes(given)}{advice}")
    if len(found) > 1:
        raise UsageError(f"several cities are called {in_quotes(given)}: {', '.join(row[0] for row in found)}")
    city_code, city_zh, city_en, tier_zh, low, high, *notices = found[0]
    interval = (low, high) if low is not None and high is not None else None
    return city_code, city_zh, city_en, tier_zh, interval, tuple(notice for notice in notices if notice)


def _nodes(connection: duckdb.DuckDBPyConnection, edition: Edition, city_code: str) -> dict[str, Node]:
    """The nodes of the tree by code, parents first, each with its children."""
    rows = connection.execute(
        """
        select
            indicators.parent_code,
            indicators.indicator_code,
            indicators.name_zh,
            indicators.name_en,
            indicators.level,
            indicators.weight,
            indicators.weight_status,
            indicators.aggregation,
            indicators.normalisation,
            scores.score,
            scores.rank,
            scores.contribution,
            scores.contribution_method,
            scores.provenance,
            scores.missing_reason
        from published.dim_indicators as indicators
        inner join published.fct_indicator_scores as scores using (index_code, edition, indicator_code)
        where indicators.index_code = ? and indicators.edition = ? and scores.city_code = ?
        order by indicators.level, indicators.effective_weight desc, indicators.indicator_code
        """,
        [edition.index_code, edition.edition, city_code],
    ).fetchall()
    nodes: dict[str, Node] = {}
    for parent_code, *columns in rows:
        node = Node(*columns)
        nodes[node.code] = node
        if parent_code is not None:
            nodes[parent_code].children.append(node)
    if not nodes:
        raise NothingPublishable(f"{edition} has no scores of {city_code}")
    return nodes


def _indicator(edition: Edition, nodes: dict[str, Node], given: str) -> Node:
    wanted = given.strip().casefold()
    by_code = {code.casefold(): node for code, node in nodes.items()}
    if wanted in by_code:
        return by_code[wanted]
    found = [node for node in nodes.values() if wanted in (node.name_zh.casefold(), node.name_en.casefold())]
    if not found:
        raise UsageError(f"{edition} has no indicator {in_quotes(given)}{similar(given, nodes)}")
    if len(found) > 1:
        raise UsageError(f"several indicators are called {in_quotes(given)}: {', '.join(node.code for node in found)}")
    return found[0]


def _path(nodes: dict[str, Node], target: Node) -> tuple[Node, ...]:
    parents = {child.code: node for node in nodes.values() for child in node.children}
    path = [target]
    while path[0].code in parents:
        path.insert(0, parents[path[0].code])
    return tuple(path)


def _add_values(
    connection: duckdb.DuckDBPyConnection, edition: Edition, city_code: str, nodes: dict[str, Node], record_limit: int
) -> None:
    key = [edition.index_code, edition.edition, city_code]
    of_city = "index_code = ? and edition = ? and city_code = ?"
    for code, *columns in connection.execute(
        "select indicator_code, observed_value, observed_on, source, denominator, denominator_year, divisor, "
        "denominated_value, is_imputed, untreated_value, treatment, treated_value "
        f"from published.fct_indicator_values where {of_city}",
        key,
    ).fetchall():
        nodes[code].value = Value(*columns)
    for code, *columns in connection.execute(
        "select derived.indicator_code, derived.rule_code, derived.feed, derived.formula, derived.value, "
        "derived.as_of_date, derived.record_count, derived.scope_count, derived.coverage_share, "
        "derived.is_low_coverage, derived.is_used, derived.used_provenance, derived.weighting, "
        "derived.without_beds_count, rules.standard_code || ' ' || rules.standard_version, rules.least_grade, "
        "rules.status, rules.note "
        "from published.fct_derived_observations as derived "
        "inner join published.dim_derivation_rules as rules using (rule_code) "
        "where derived.index_code = ? and derived.edition = ? and derived.city_code = ?",
        key,
    ).fetchall():
        nodes[code].derivation = Derivation(*columns)
    for code, record_count, *columns in connection.execute(
        "select indicator_code, record_count, record_kind, record_id, record_title, record_on, record_detail, "
        "record_value, record_weight, record_publisher, record_url "
        f"from published.rpt_score_trace where {of_city} and record_number between 1 and ? "
        "order by indicator_code, record_number",
        [*key, record_limit],
    ).fetchall():
        nodes[code].record_count = record_count
        nodes[code].records.append(Record(*columns))
