"""``city-index explain``: from a score down to its observations and records."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from city_index.cli.parameters import NAME
from city_index.cli.targets import put_in_place, target_of
from city_index.landing.door import shown
from city_index.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from city_index.explain import Derivation, Explanation, Node, Record, Value

# Decimals of points: enough to see that they add up.
_DECIMALS = 4
_INDENT = "  "


@click.command()
@click.argument("city", type=NAME)
@click.argument("indicator", type=NAME)
@click.option("--edition", type=NAME, metavar="LABEL", help="The edition; the index's newest by default.")
@click.option("--index", "index_code", type=NAME, metavar="CODE", help="The index; the only one by default.")
@click.option(
    "--records",
    "record_limit",
    type=click.IntRange(0, 20),
    default=20,
    show_default=True,
    help="Records of a tertiary.",
)
@click.option("--html", "html_file", metavar="FILE", help="Write it as a page to click through as well.")
@click.option("--json", "as_json", is_flag=True, help="Write it to stdout as JSON instead.")
def explain(
    city: str,
    indicator: str,
    edition: str | None,
    index_code: str | None,
    record_limit: int,
    html_file: str | None,
    as_json: bool,
) -> None:
    """The chain from the total of CITY to the records of INDICATOR; each by code or name, total for the root."""
    from rich.console import Console

    from city_index.explain import explain as read_explanation

    settings = Settings.from_environment()
    target = target_of(settings, "--html", html_file) if html_file is not None else None
    explanation = read_explanation(settings, city, indicator, index_code, edition, record_limit)
    if as_json:
        click.echo(json.dumps(_as_data(explanation), ensure_ascii=False, indent=2, default=str))
    else:
        _print(Console(highlight=False, soft_wrap=True, markup=False), explanation)
    if target is not None:
        from city_index.explanation_page import explanation_page

        page = explanation_page(explanation)
        put_in_place("--html", target, lambda path: path.write_text(page, encoding="utf-8"))
        click.echo(f"Page: {shown(target)}", err=as_json)


def _as_data(explanation: Explanation) -> dict:
    return {
        "release_id": explanation.release_id,
        "index_code": explanation.edition.index_code,
        "edition": explanation.edition.edition,
        "city_code": explanation.city_code,
        "notices": explanation.notices,
        "path": [node.code for node in explanation.path],
        "total": _node_data(explanation.root, children=[]),
        "chain": [_node_data(node, _codes_of_children(node)) for node in explanation.path],
        "nodes": [_node_data(node, _codes_of_children(node)) for node in explanation.target.walk()],
    }


def _codes_of_children(node: Node) -> list[str]:
    return [child.code for child in node.children]


def _node_data(node: Node, children: list[str]) -> dict:
    # Without its children first: they would be copied with all that is below them.
    return {**asdict(replace(node, children=[])), "children": children}


def _print(console: Console, explanation: Explanation) -> None:
    root = explanation.root
    console.print(f"{explanation.edition.title}, {explanation.edition}, release {explanation.release_id}")
    tier = f", {explanation.tier_zh}" if explanation.tier_zh else ""
    interval = ""
    if explanation.rank_interval is not None:
        interval = " ({} to {} in nine of ten worlds with other weights)".format(*explanation.rank_interval)
    rank = f", rank {root.rank} of {explanation.city_count}{interval}{tier}" if root.rank is not None else ""
    console.print(
        f"{explanation.city_zh} {explanation.city_en} ({explanation.city_code}): total {_number(root.score)}{rank}"
    )
    if explanation.edition.publisher:
        console.print(f"Assessment published by {explanation.edition.publisher}")
    for notice in explanation.notices:
        console.print(notice)
    console.print()
    _print_node(console, root, explanation.path, 0, is_open=len(explanation.path) == 1)
    console.print()
    _print_account(console, explanation)


def _print_node(console: Console, node: Node, path: tuple[Node, ...], depth: int, is_open: bool) -> None:
    """A node, and what is below it: all where it is open, else the way to the indicator that was asked for.

    Args:
        console: where to.
        node: an open one, or one of the path.
        path: from the root to the indicator.
        depth: of the node.
        is_open: whether the indicator is the node or stands above it.
    """
    indent, below = _INDENT * depth, _INDENT * (depth + 1)
    console.print(indent + _headline(node))
    for child in node.children:
        if is_open or child in path:
            _print_node(console, child, path, depth + 1, is_open or child is path[-1])
        else:
            console.print(below + _headline(child))
    for line in [_sum_of_children(node)] if node.children else _lines_of_tertiary(node):
        console.print(below + line)


def _headline(node: Node) -> str:
    parts = [f"{node.code}  {node.name_zh} {node.name_en}:"]
    if node.score is None:
        parts.append(f"no score ({node.missing_reason})")
    else:
        parts.append(f"score {_number(node.score)}")
        parts.append(f"rank {node.rank}")
    if node.level:
        parts.append(f"weight {100 * node.weight:.6g} % of its parent ({node.weight_status})")
    if node.contribution is not None:
        how = "" if node.contribution_method == "exact" else f" by {node.contribution_method}"
        parts.append(f"brings {_number(node.contribution)} points{how}")
    if node.provenance is not None:
        parts.append(node.provenance)
    return parts[0] + " " + ", ".join(parts[1:])


def _sum_of_children(node: Node) -> str:
    """How the points of the children make up those of their parent."""
    points = [child.contribution for child in node.children if child.contribution is not None]
    if node.contribution is None or not points:
        return f"= {node.code}: {node.aggregation} mean of its children"
    terms = " + ".join(_number(point) for point in points)
    return f"= {terms} = {_number(sum(points))} points of {node.code} ({node.aggregation} mean)"


def _lines_of_tertiary(node: Node) -> list[str]:
    lines = []
    if node.value is not None:
        lines += _lines_of_value(node, node.value)
    if node.derivation is not None:
        lines += _lines_of_derivation(node.derivation)
    for number, record in enumerate(node.records, start=1):
        lines += _lines_of_record(number, record)
    further = node.record_count - len(node.records)
    if further > 0:
        table = "fct_hospital_grades" if node.derivation and node.derivation.feed == "hospitals" else "fct_evidence"
        lines.append(f"and {further:,} further records; table {table} has them all")
    return lines


def _lines_of_value(node: Node, value: Value) -> list[str]:
    steps = []
    if value.is_imputed:
        steps.append(f"estimated {_number(value.untreated_value)}, not observed")
    elif value.observed_value is not None:
        steps.append(f"{node.provenance or 'observed'} {_number(value.observed_value)}")
    if value.denominator is not None and value.divisor is not None and not value.is_imputed:
        steps.append(
            f"/ {value.denominator} {value.denominator_year} {_number(value.divisor)} = "
            f"{_number(value.denominated_value)}"
        )
    if value.treated_value != value.untreated_value:
        steps.append(f"{value.treatment} {_number(value.treated_value)}")
    if node.score is not None:
        steps.append(f"{node.normalisation} {_number(node.score)}")
    return ["value: " + " -> ".join(steps)] if steps else []


def _lines_of_derivation(derivation: Derivation) -> list[str]:
    grade = f" at grade {derivation.least_grade} or above" if derivation.least_grade else ""
    standard = f" of {derivation.standard}{grade}" if derivation.standard else ""
    scope = f" of {derivation.scope_count} in scope" if derivation.scope_count is not None else ""
    coverage = ""
    if derivation.coverage_share is not None:
        low = ", LOW COVERAGE" if derivation.is_low_coverage else ""
        coverage = f", coverage {derivation.coverage_share:.0%}{low}"
    weighting = ""
    if derivation.weighting is not None:
        weighting = ", weighted by beds" if derivation.weighting == "beds" else ", all weighing alike"
        if derivation.without_beds_count:
            weighting += f" (beds of {derivation.without_beds_count} in scope not known)"
    lines = [
        f"rule {derivation.rule_code} ({derivation.status}): {derivation.formula}{standard}, as of {derivation.as_of}: "
        f"{derivation.record_count:,} records{scope}{weighting}{coverage}, value {_number(derivation.value)}",
    ]
    if derivation.note:
        lines.append(f"  {derivation.note}")
    if not derivation.is_used:
        lines.append(f"  not used: the value is {derivation.used_provenance}, which stands before it")
    return lines


def _lines_of_record(number: int, record: Record) -> list[str]:
    said = [record.title or record.kind, record.detail or "", str(record.on) if record.on else ""]
    weight = f" x {record.weight:g}" if record.weight is not None else ""
    value = f" -> {_number(record.value)}{weight}" if record.value is not None else ""
    identity = f" [{record.record_id}]" if record.record_id else ""
    lines = [f"{number}. {shown(', '.join(part for part in said if part))}{identity}{value}"]
    source = " ".join(shown(part) for part in (record.publisher, record.url) if part)
    return [*lines, f"   {source}"] if source else lines


def _print_account(console: Console, explanation: Explanation) -> None:
    root = explanation.root
    tertiaries = [node for node in root.walk() if not node.children and node.contribution is not None]
    points = sum(node.contribution for node in tertiaries)
    if root.score is not None:
        console.print(
            f"The points of all {len(tertiaries)} tertiaries with a score add up to {_number(points)}; "
            f"the published total is {_number(root.score)}."
        )


def _number(number: float | None) -> str:
    if number is None:
        return "none"
    return f"{number:.{_DECIMALS}f}" if abs(number) < 1e6 else f"{number:.6g}"
