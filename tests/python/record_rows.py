"""Rows of hospitals, evidence and rules, as in CSV files: what tests of derived values make up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from classification import seed
from index_rows import ROOT, Row, node
from warehouse import Warehouse

INDEX = "care"

# One leaf of each formula, and one that only observations reach.
LEAVES = ("records", "service_share", "link", "beds")
RULES: list[Row] = [
    {
        "rule_code": "records_rule",
        "index_code": INDEX,
        "indicator_code": "records",
        "since_edition": "2021",
        "feed": "hospitals",
        "formula": "mean_score",
        "standard_code": "emr",
        "standard_version": "2018",
        "weighting": "beds",
        "least_coverage_share": "0.5",
    },
    {
        "rule_code": "service_rule",
        "index_code": INDEX,
        "indicator_code": "service_share",
        "since_edition": "2021",
        "feed": "hospitals",
        "formula": "share_at_or_above",
        "standard_code": "smart_service",
        "standard_version": "2019",
        "least_grade": "3",
        "weighting": "equal",
    },
    {
        "rule_code": "link_rule",
        "index_code": INDEX,
        "indicator_code": "link",
        "since_edition": "2021",
        "feed": "evidence",
        "formula": "best_stage",
    },
]


def framework(edition: str, leaves: Sequence[str] = LEAVES) -> list[Row]:
    """The tree of an edition: all leaves below one secondary, weighing alike."""
    key = {"index_code": INDEX, "edition": edition}
    return [
        node(key, ROOT, ""),
        node(key, "p", ROOT),
        node(key, "s", "p"),
        *(node(key, leaf, "s") for leaf in leaves),
    ]


def hospital(
    code: str,
    grade: str,
    day: str,
    standard: tuple[str, str] = ("emr", "2018"),
    beds: str = "100",
    city: str = "beijing",
    batch_number: str = "1",
) -> Row:
    """A row of the landing kind hospitals."""
    return {
        "hospital_code": code,
        "city_code": city,
        "standard_code": standard[0],
        "standard_version": standard[1],
        "grade": grade,
        "assessed_on": day,
        "beds": beds,
        "batch_number": batch_number,
    }


def record(code: str, title: str, day: str, kind: str = "case", city: str = "beijing", **more: str) -> Row:
    """A row of the landing kind evidence."""
    return {
        "evidence_id": code,
        "city_code": city,
        "title": title,
        "published_on": day,
        "kind": kind,
        "url": f"https://records.example/{code}",
        **more,
    }


def reference_seeds() -> dict[str, list[Row]]:
    """The shipped seeds that values are derived by, whatever the index."""
    names = (
        "standards",
        "standard_grades",
        "grade_maps",
        "grade_scores",
        "smart_hospital_stages",
        "provenance_precedence",
        "evidence_default_statuses",
        "evidence_stages",
    )
    return {name: seed(name) for name in names}


# A taxonomy of two tertiaries.
TAXONOMY: dict[str, list[Row]] = {
    "evidence_rules": [
        {"rule_code": "link_any", "indicator_code": "link", "bonus": "0", "rule_order": "1"},
        {"rule_code": "link_exact", "indicator_code": "link", "bonus": "1", "rule_order": "2"},
        {"rule_code": "beds_any", "indicator_code": "beds", "kind": "platform", "bonus": "0", "rule_order": "3"},
    ],
    "evidence_words": [
        {"rule_code": "link_any", "role": "any", "word": "互通"},
        {"rule_code": "link_exact", "role": "any", "word": "处方"},
        {"rule_code": "link_exact", "role": "also", "word": "流转"},
        {"rule_code": "link_exact", "role": "never", "word": "纸质"},
        {"rule_code": "beds_any", "role": "any", "word": "床位管理"},
    ],
    "evidence_filters": [{"filter_code": "recruitment", "word": "招聘"}],
    "evidence_status_words": [
        {"status": "planned", "word": "招标"},
        {"status": "live", "word": "上线"},
        {"status": "pilot", "word": "试点"},
        {"status": "assessed", "word": "通过评审"},
    ],
}


def computed(
    warehouse: Warehouse,
    hospitals: Sequence[Row] = (),
    evidence: Sequence[Row] = (),
    editions: Sequence[str] = ("2020", "2024"),
    rules: Sequence[Row] = RULES,
    seeds: Mapping[str, Sequence[Row]] | None = None,
) -> list[dict[str, Any]]:
    """The rows of a table, where the given records have landed; given seeds stand in the place of the usual ones."""
    shipped: Mapping[str, Sequence[Row]] = {
        "frameworks": [row for edition in editions for row in framework(edition)],
        "derivation_rules": rules,
        "cities": [{"city_code": city, "name_zh": city, "name_en": city} for city in ("beijing", "wuhan")],
        **reference_seeds(),
        **TAXONOMY,
        **(seeds or {}),
    }
    landed = {"hospitals": hospitals, "evidence": evidence}
    return warehouse.run(landed=landed, **{name: rows for name, rows in shipped.items() if warehouse.rests_on(name)})
