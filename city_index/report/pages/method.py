"""The method page of an edition: its tree, its formulas, what could be checked and what could not."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from city_index.report.reading import Row
from city_index.report.view import View
from city_index.report.wording import percent, wrapped

# The rings of the sunburst: from the middle outwards.
_RINGS = {1: (52, 116), 2: (118, 168), 3: (170, 208)}
_TONES = {1: 1.0, 2: 0.8, 3: 0.6}
# A name is written on a piece of a ring only where there is room for it, in radians.
_ROOM = 1.2

_STATUSES = ("reproduced", "not_reproduced", "by_construction", "not_computable")


def method_page(view: View, page: str) -> dict[str, Any]:
    """What the template of the method page is given.

    Args:
        view: the edition in one language.
        page: the path of the page.
    """
    contents = view.contents
    counts = Counter(row["status"] for row in contents.reconciliation)
    return {
        "sunburst": _sunburst(view, page),
        "branches": [
            {"node": node, "colour": view.branch_colours[node["indicator_code"]]} for node in contents.primaries
        ],
        "tree": [
            {**node, "href": view.link(page, view.indicator_page(code))} for code, node in contents.indicators.items()
        ],
        "normalisations": sorted({node["normalisation"] for node in contents.level(3)}),
        "aggregations": sorted({node["aggregation"] for node in contents.indicators.values() if node["children"]}),
        "policies": sorted({node["missing_policy"] for node in contents.indicators.values() if node["children"]}),
        "statuses": [(status, counts[status]) for status in _STATUSES if counts[status]],
        "reconciliation": sorted(
            contents.reconciliation, key=lambda row: (_STATUSES.index(row["status"]), row["fact_id"])
        ),
        "method_changes": contents.method_changes,
    }


def _sunburst(view: View, page: str) -> Any:
    words, contents = view.words, view.contents
    arcs: list[Row] = []
    names: list[Row] = []

    def lay(node: Row, start: float, span: float, colour: str) -> None:
        level = node["level"]
        if level in _RINGS:
            inner, outer = _RINGS[level]
            name = words.name(node)
            arcs.append(
                {
                    "start": start,
                    "end": start + span,
                    "inner": inner,
                    "outer": outer,
                    "colour": colour,
                    "opacity": _TONES[level] * (0.55 if node["weight_status"] == "assumed" else 1),
                    "label": f"{name}: {percent(node['effective_weight'], 2)} {words('总权重', 'of the total')}, "
                    f"{words.term('weight_' + node['weight_status'])}",
                    "href": view.link(page, view.indicator_page(node["indicator_code"])),
                }
            )
            if level == 1 and span > _ROOM:
                names.append({"angle": start + span / 2, "radius": (inner + outer) / 2, "name": wrapped(name, 12)})
        at = start
        for child in contents.children(node["indicator_code"]):
            lay(child, at, span * child["weight"], view.branch_colours.get(child["indicator_code"], colour))
            at += span * child["weight"]

    lay(contents.root, 0.0, 2 * math.pi, "#55606b")
    return view.charts.sunburst.svg(arcs=arcs, names=names)
