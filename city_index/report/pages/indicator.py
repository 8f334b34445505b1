"""The page of an indicator: what it is, how it counts, how the cities lie in it."""

from __future__ import annotations

from typing import Any

from city_index.report.reading import Row
from city_index.report.view import View


def indicator_page(view: View, page: str, code: str) -> dict[str, Any]:
    """What the template of an indicator's page is given.

    Args:
        view: the edition in one language.
        page: the path of the page.
        code: the indicator.
    """
    contents = view.contents
    node = contents.indicators[code]
    return {
        "node": node,
        "path": [_linked(view, page, contents.indicators[parent]) for parent in node["path"]],
        "children": [_linked(view, page, child) for child in contents.children(code)],
        "distribution": view.histogram(code),
        "tier_bars": view.tier_bars(code),
        "stats": contents.stats.get(code),
        "importance": contents.importance.get(code),
        "best": [_placed(view, page, row) for row in contents.best.get(code, [])],
        "correlations": _correlations(view, page, code),
        "rules": contents.rules.get(code, []),
    }


def _linked(view: View, page: str, node: Row) -> Row:
    return {
        **node,
        "name": view.words.name(node),
        "href": view.link(page, view.indicator_page(node["indicator_code"])),
    }


def _placed(view: View, page: str, row: Row) -> Row:
    target = view.city_page(row["city_code"])
    return {**row, "name": view.words.name(row), "href": view.link(page, target) if target else None}


def _correlations(view: View, page: str, code: str) -> dict[str, list[Row]]:
    """What the indicator goes together with, by kind of relation."""
    found: dict[str, list[Row]] = {}
    for row in view.contents.correlations.get(code, []):
        other = view.contents.indicators[row["other_indicator_code"]]
        found.setdefault(row["relation"], []).append({**row, "other": _linked(view, page, other)})
    return found
