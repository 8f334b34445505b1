"""What the pages show, read from the published tables of one release.

What belongs here: the queries. Every figure is taken as it is published; what is added here is counting and sorting.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import duckdb

from city_index.landing.frameworks import INNER_COLUMNS, LEAF_COLUMNS
from city_index.report.addresses import file_names

Row = dict[str, Any]

# What a histogram is cut into.
_BIN_COUNT = 20


def read(connection: duckdb.DuckDBPyConnection, query: str, parameters: list | None = None) -> list[Row]:
    """The rows of a query, by column name."""
    cursor = connection.execute(query, parameters or [])
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@dataclass
class EditionContents:
    """What the pages of one edition show.

    Attributes:
        row: the edition's row of dim_editions, with its notices.
        folder: the folder of its pages.
        indicators: the nodes of its tree by code, in the order of the tree, each with its children's codes, its path
            from the root and the name of its page.
        tiers: by code, in their order.
        cities: the cities with pages by code, in the order of their ranks.
        scores: by city, then indicator.
        tier_scores: by indicator, then tier.
        cluster_scores: by cluster, of the total.
        intervals: by city, then indicator, then scenario.
        values: by city, then tertiary: what was observed, and how it became a score.
        bins: by indicator, the cities counted by score.
        best: by indicator, its first cities.
        records: by city, then tertiary: the records behind a score.
        city_count: all cities of the edition, with pages or without.
    """

    row: Row
    folder: str
    indicators: dict[str, Row] = field(default_factory=dict)
    tiers: dict[str, Row] = field(default_factory=dict)
    clusters: dict[str, Row] = field(default_factory=dict)
    cities: dict[str, Row] = field(default_factory=dict)
    scores: dict[str, dict[str, Row]] = field(default_factory=dict)
    tier_scores: dict[str, dict[str, Row]] = field(default_factory=dict)
    cluster_scores: dict[str, Row] = field(default_factory=dict)
    intervals: dict[str, dict[str, dict[str, Row]]] = field(default_factory=dict)
    values: dict[str, dict[str, Row]] = field(default_factory=dict)
    bins: dict[str, list[Row]] = field(default_factory=dict)
    best: dict[str, list[Row]] = field(default_factory=dict)
    records: dict[str, dict[str, list[Row]]] = field(default_factory=dict)
    stats: dict[str, Row] = field(default_factory=dict)
    correlations: dict[str, list[Row]] = field(default_factory=dict)
    importance: dict[str, Row] = field(default_factory=dict)
    rules: dict[str, list[Row]] = field(default_factory=dict)
    changes: dict[str, Row] = field(default_factory=dict)
    highlights: dict[str, list[Row]] = field(default_factory=dict)
    neighbours: dict[str, dict[str, Row]] = field(default_factory=dict)
    sensitivity: list[Row] = field(default_factory=list)
    certainty: Row = field(default_factory=dict)
    reconciliation: list[Row] = field(default_factory=list)
    method_changes: list[Row] = field(default_factory=list)
    context: dict[str, list[Row]] = field(default_factory=dict)
    milestones: list[Row] = field(default_factory=list)
    city_count: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """Index and edition."""
        return self.row["index_code"], self.row["edition"]

    @property
    def decimals(self) -> int:
        """How many decimals scores are shown with."""
        return self.row["report_decimals"]

    @property
    def root(self) -> Row:
        """The total's node."""
        return next(node for node in self.indicators.values() if node["level"] == 0)

    def children(self, code: str) -> list[Row]:
        """The nodes directly below a node."""
        return [self.indicators[child] for child in self.indicators[code]["children"]]

    @property
    def primaries(self) -> list[Row]:
        """The nodes directly below the total."""
        return self.children(self.root["indicator_code"])

    def level(self, level: int) -> list[Row]:
        """The nodes of a level, in the order of the tree."""
        return [node for node in self.indicators.values() if node["level"] == level]


@dataclass(frozen=True)
class ReleaseContents:
    """What the pages of a release show.

    Attributes:
        release: its row of meta_release.
        editions: its editions with scores, the front page's first.
        checks: the rows of meta_checks, failures first.
        tables: every table with its columns.
        batches: what came in by file.
        reasons: why rows were refused.
    """

    release: Row
    editions: list[EditionContents]
    checks: list[Row]
    tables: list[Row]
    batches: list[Row]
    reasons: list[Row]


def _keyed(rows: list[Row], *names: str) -> dict:
    """Rows by the value of a column, or of several, one within the other."""
    found: dict = {}
    for row in rows:
        within = found
        for name in names[:-1]:
            within = within.setdefault(row[name], {})
        within[row[names[-1]]] = row
    return found


def _listed(rows: list[Row], *names: str) -> dict:
    """The same for columns that do not tell rows apart: lists of rows, in their order."""
    found: dict = {}
    for row in rows:
        within = found
        for name in names[:-1]:
            within = within.setdefault(row[name], {})
        within.setdefault(row[names[-1]], []).append(row)
    return found


def read_release(connection: duckdb.DuckDBPyConnection, page_limit: int) -> ReleaseContents:
    """Read what the pages of a release show.

    Args:
        connection: to the database of the release, its tables in schema main.
        page_limit: how many cities of an edition get a page, the best first.
    """
    (release,) = read(connection, "select * from meta_release")
    tables = read(
        connection,
        "select table_name, comment, estimated_size as row_count from duckdb_tables() where not internal order by 1",
    )
    columns = defaultdict(list)
    for column in read(
        connection,
        "select columns.table_name, column_name, data_type, is_nullable, columns.comment,"
        " list_contains(keys.constraint_column_names, column_name) as is_key"
        " from duckdb_columns() as columns left join duckdb_constraints() as keys"
        " on keys.table_name = columns.table_name and keys.constraint_type = 'PRIMARY KEY'"
        " where not columns.internal order by columns.table_name, column_index",
    ):
        columns[column["table_name"]].append(column)
    for table in tables:
        table["columns"] = columns[table["table_name"]]
    return ReleaseContents(
        release=release,
        editions=_read_editions(connection, page_limit),
        checks=read(
            connection,
            "select * from meta_checks order by array_position(['failed', 'warned', 'passed', 'skipped'], status),"
            " severity, kind, name",
        ),
        tables=tables,
        batches=read(connection, "select * from meta_batches order by batch_number desc"),
        reasons=read(connection, "select * from meta_quarantine_reasons order by batch_id desc, reason"),
    )


def _read_editions(connection: duckdb.DuckDBPyConnection, page_limit: int) -> list[EditionContents]:
    """The editions with scores: real ones before synthetic ones, the newest of an index first."""
    rows = read(
        connection,
        "select editions.*, notices.notice_zh, notices.notice_en from dim_editions as editions left join ("
        " select index_code, edition, any_value(notice_zh) as notice_zh, any_value(notice_en) as notice_en"
        " from rpt_city_index group by all) as notices using (index_code, edition) where scored_city_count > 0"
        # An index that a document assesses comes first.
        " order by is_synthetic, bool_or(source_document is not null) over (partition by index_code) desc, index_code,"
        " edition_ordinal desc nulls last, edition",
    )
    folders = file_names({row["index_code"] for row in rows})
    found = []
    for row in rows:
        labels = file_names(other["edition"] for other in rows if other["index_code"] == row["index_code"])
        contents = EditionContents(row=row, folder=f"{folders[row['index_code']]}/{labels[row['edition']]}")
        _EditionReader(connection, contents).read(page_limit)
        found.append(contents)
    return found


class _EditionReader:
    """Reads the tables of one edition into its contents."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, contents: EditionContents) -> None:
        self._connection = connection
        self._contents = contents

    def _read(self, query: str, *parameters: Any) -> list[Row]:
        """The rows of a query whose first two parameters are index and edition."""
        return read(self._connection, query, [*self._contents.key, *parameters])

    def read(self, page_limit: int) -> None:
        contents = self._contents
        contents.indicators = self._indicators()
        contents.tiers = _keyed(
            read(
                self._connection,
                "select * from dim_tiers where index_code = ? order by tier_ordinal",
                [contents.row["index_code"]],
            ),
            "tier_code",
        )
        contents.cities = self._cities(page_limit)
        contents.clusters = _keyed(
            read(self._connection, "select * from dim_clusters order by cluster_code"), "cluster_code"
        )
        shown = list(contents.cities)
        contents.scores = _keyed(
            self._read(
                "select city_code, indicator_code, score, rank, contribution, coverage_share, is_imputed,"
                " missing_reason, provenance, rule_code from fct_indicator_scores"
                " where index_code = ? and edition = ? and list_contains(?, city_code)",
                shown,
            ),
            "city_code",
            "indicator_code",
        )
        contents.tier_scores = _keyed(
            self._read("select scores.* from fct_tier_scores as scores where index_code = ? and edition = ?"),
            "indicator_code",
            "tier_code",
        )
        contents.cluster_scores = _keyed(
            self._read(
                "select scores.* from fct_cluster_scores as scores where index_code = ? and edition = ?"
                " and indicator_code = ? order by gdp_weighted_score desc nulls last, cluster_code",
                contents.root["indicator_code"],
            ),
            "cluster_code",
        )
        contents.intervals = _keyed(
            self._read(
                "select * from fct_rank_intervals where index_code = ? and edition = ? and list_contains(?, city_code)",
                shown,
            ),
            "city_code",
            "indicator_code",
            "scenario",
        )
        contents.values = _keyed(
            self._read(
                "select * from fct_indicator_values"
                " where index_code = ? and edition = ? and list_contains(?, city_code)",
                shown,
            ),
            "city_code",
            "indicator_code",
        )
        contents.records = _listed(
            self._read(
                "select city_code, indicator_code, record_number, record_count, record_kind, record_title, record_on,"
                " record_detail, record_value, record_weight, record_publisher, record_url from rpt_score_trace"
                " where index_code = ? and edition = ? and record_kind <> 'observation' and list_contains(?, city_code)"
                " order by record_number",
                shown,
            ),
            "city_code",
            "indicator_code",
        )
        self._read_distributions()
        self._read_audit()
        self._read_surroundings(shown)

    def _indicators(self) -> dict[str, Row]:
        rows = {
            row["indicator_code"]: row
            for row in self._read(
                "select * from dim_indicators where index_code = ? and edition = ? order by level, indicator_code"
            )
        }
        pages = file_names(rows)
        ordered: dict[str, Row] = {}
        for row in rows.values():
            row["children"] = []
            row["page"] = pages[row["indicator_code"]]
        for code, row in rows.items():
            if row["parent_code"] is not None:
                rows[row["parent_code"]]["children"].append(code)

        def visit(code: str, path: tuple[str, ...]) -> None:
            row = rows[code]
            # The heaviest branch comes first.
            row["children"].sort(key=lambda child: (-rows[child]["weight"], child))
            row["path"] = path
            ordered[code] = row
            for child in row["children"]:
                visit(child, (*path, code))

        visit(next(code for code, row in rows.items() if row["level"] == 0), ())
        return ordered

    def _cities(self, page_limit: int) -> dict[str, Row]:
        (counted,) = self._read(
            "select count(*) as city_count from fct_city_scores where index_code = ? and edition = ?"
        )
        self._contents.city_count = counted["city_count"]
        rows = self._read(
            "select report.*, scores.total_score as unrounded_score, scores.tier_code, scores.cluster_code,"
            " scores.coverage_share, cities.longitude, cities.latitude, cities.is_cluster_core"
            " from rpt_city_index as report"
            " join fct_city_scores as scores using (index_code, edition, city_code)"
            " join dim_cities as cities using (city_code)"
            " where report.index_code = ? and report.edition = ?"
            " order by report.total_rank nulls last, city_code limit ?",
            page_limit,
        )
        pages = file_names(row["city_code"] for row in rows)
        for row in rows:
            row["page"] = pages[row["city_code"]]
        return {row["city_code"]: row for row in rows}

    def _read_distributions(self) -> None:
        contents = self._contents
        contents.bins = _listed(
            self._read(
                f"""
            with scored as (
                select
                    indicator_code, score,
                    min(score) over (partition by indicator_code) as lowest,
                    max(score) over (partition by indicator_code) as highest
                from fct_indicator_scores where index_code = ? and edition = ? and score is not null
            ),
            framed as (
                -- Scores of 0..100 share one frame, so that indicators can be compared; others get their own.
                select
                    indicator_code, score,
                    case when lowest >= 0 and highest <= 100 and highest > 1 then 0 else lowest end as bottom,
                    case when lowest >= 0 and highest <= 100 and highest > 1 then 100 else highest end as top
                from scored
            ),
            cut as (
                select
                    indicator_code, bottom, top, (top - bottom) / {_BIN_COUNT} as width,
                    case
                        when top > bottom
                            then least(floor((score - bottom) / (top - bottom) * {_BIN_COUNT}), {_BIN_COUNT} - 1)
                        else 0
                    end as bin
                from framed
            )
            select
                indicator_code, bin, bottom, top, bottom + bin * width as low, bottom + (bin + 1) * width as high,
                count(*) as city_count
            from cut group by all order by indicator_code, bin
            """
            ),
            "indicator_code",
        )
        contents.best = _listed(
            self._read(
                "select indicator_code, city_code, cities.name_zh, cities.name_en, score, rank, provenance, is_imputed,"
                " count(*) over (partition by indicator_code, rank) as tied_count"
                " from fct_indicator_scores join dim_cities as cities using (city_code)"
                " where index_code = ? and edition = ? and rank <= 10"
                " qualify row_number() over (partition by indicator_code order by rank, city_code) <= 10"
                " order by indicator_code, rank, city_code"
            ),
            "indicator_code",
        )
        contents.stats = _keyed(
            self._read("select * from fct_indicator_stats where index_code = ? and edition = ?"), "indicator_code"
        )

    def _read_audit(self) -> None:
        contents = self._contents
        contents.correlations = _listed(
            self._read(
                # Siblings are published as pairs; each of the two has the other on its page.
                "with relations as (from fct_correlations where index_code = ? and edition = ?),"
                " mirrored as (select relation, indicator_code, other_indicator_code, pearson, spearman from relations"
                "  union all select relation, other_indicator_code, indicator_code, pearson, spearman from relations"
                "  where relation = 'within_parent')"
                " select * from mirrored order by relation, abs(pearson) desc nulls last, other_indicator_code"
            ),
            "indicator_code",
        )
        contents.importance = _keyed(
            self._read("select * from fct_indicator_importance where index_code = ? and edition = ?"), "indicator_code"
        )
        contents.sensitivity = self._read(
            "select * from fct_sensitivity where index_code = ? and edition = ? and can_vary"
            " order by total_effect desc nulls last, factor, indicator_code"
        )
        (contents.certainty,) = self._read(
            "select median(rank_p95 - rank_p05 + 1) filter (where scenario = 'weights') as weights_width,"
            " median(rank_p95 - rank_p05 + 1) filter (where scenario = 'method') as method_width,"
            " max(draw_count) filter (where scenario = 'weights') as draw_count"
            " from fct_rank_intervals where index_code = ? and edition = ? and indicator_code = ?",
            contents.root["indicator_code"],
        )
        (pairs,) = self._read(
            "select count(*) as pair_count, count(*) filter (where is_tie_in_practice) as tied_count"
            " from fct_pair_robustness where index_code = ? and edition = ? and indicator_code = ?"
            " and scenario = 'weights'",
            contents.root["indicator_code"],
        )
        contents.certainty |= pairs
        for row in self._read(
            "select * from fct_pair_robustness where index_code = ? and edition = ? and indicator_code = ?"
            " and scenario = 'weights'",
            contents.root["indicator_code"],
        ):
            contents.neighbours.setdefault(row["upper_city_code"], {})["below"] = row
            contents.neighbours.setdefault(row["lower_city_code"], {})["above"] = row

    def _read_surroundings(self, shown: list[str]) -> None:
        contents = self._contents
        contents.rules = _listed(
            self._read(
                # A rule stands with the indicators whose values it made in this edition.
                "select rules.* from dim_derivation_rules as rules semi join ("
                "  select distinct index_code, indicator_code, rule_code from fct_indicator_values"
                "  where index_code = ? and edition = ?) as used using (index_code, indicator_code, rule_code)"
                " order by rule_code"
            ),
            "indicator_code",
        )
        contents.changes = _keyed(
            self._read(
                "select * from fct_score_changes where index_code = ? and edition = ? and list_contains(?, city_code)",
                shown,
            ),
            "city_code",
        )
        contents.highlights = _listed(
            self._read(
                "select * from fct_city_highlights where index_code = ? and edition = ? and list_contains(?, city_code)"
                " order by rank_lead desc, indicator_code",
                shown,
            ),
            "city_code",
        )
        contents.reconciliation = self._read(
            "select * from rpt_reconciliation where (index_code = ? and edition = ?)"
            # What a document prints of no index stands with the editions that one of the documents assesses.
            " or (index_code is null and exists ("
            "  from rpt_reconciliation as own where own.source_document = ? and own.index_code is not null))"
            " order by fact_id",
            contents.row["source_document"],
        )
        contents.method_changes = self._method_changes()
        self._read_context()

    def _method_changes(self) -> list[Row]:
        """What of the framework differs from the edition before: a row for each choice of a node that both have, one
        for each node that only one has."""
        names = ["parent_code", "weight", "weight_status", *LEAF_COLUMNS, *INNER_COLUMNS]
        listed = ", ".join(f"coalesce({name}::varchar, '') as {name}" for name in names)
        ordinal = self._contents.row["edition_ordinal"]
        if ordinal is None:
            return []
        return self._read(
            f"""
            with settings as (
                select index_code, edition, indicator_code, {listed} from dim_indicators
            ),
            long as (
                unpivot settings on {", ".join(names)} into name choice value text
            ),
            this as (select * from long where index_code = ? and edition = ?),
            before as (
                select long.* from long join dim_editions as editions using (index_code, edition)
                where long.index_code = ? and editions.edition_ordinal = ? and not editions.is_synthetic
            ),
            compared as (
                select
                    coalesce(this.indicator_code, before.indicator_code) as indicator_code,
                    coalesce(this.choice, before.choice) as choice, before.text as old_text, this.text as new_text
                from this full join before
                    on this.indicator_code = before.indicator_code and this.choice = before.choice
                where before.text is distinct from this.text and exists (from before)
            ),
            named as (
                select indicator_code, any_value(name_zh) as name_zh, any_value(name_en) as name_en
                from dim_indicators where index_code = ? group by indicator_code
            )
            select distinct
                indicator_code, name_zh, name_en,
                case when old_text is null then 'indicator came' when new_text is null then 'indicator went' else choice
                end as choice,
                case when old_text is null or new_text is null then '' else old_text end as old_text,
                case when old_text is null or new_text is null then '' else new_text end as new_text
            from compared join named using (indicator_code)
            order by indicator_code, choice
            """,
            self._contents.row["index_code"],
            ordinal - 1,
            self._contents.row["index_code"],
        )

    def _read_context(self) -> None:
        """What the documents print beside an index, for the editions that one of them assesses."""
        contents = self._contents
        document = contents.row["source_document"]
        rows = read(self._connection, "select * from fct_published_context order by indicator, period, fact_id")
        if document not in {row["source_document"] for row in rows}:
            return
        for row in rows:
            contents.context.setdefault(row["indicator"], []).append(row)
        contents.milestones = read(
            self._connection, "select * from fct_development_milestones order by year, milestone_code"
        )
