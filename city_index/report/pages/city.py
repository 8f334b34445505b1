"""The page of a city: where it stands, how sure that is, and from what its score is made."""

from __future__ import annotations

import math
from typing import Any

from city_index.report.reading import Row
from city_index.report.view import View
from city_index.report.wording import number, wrapped

# A wheel with fewer axes says nothing, one with more cannot be read.
_RADAR_AXES = range(3, 11)

# The radius of the wheel in the units of its picture.
_WHEEL = 100

_NAMED_DIFFERENCES = 4


def city_page(view: View, page: str, code: str) -> dict[str, Any]:
    """What the template of a city's page is given.

    Args:
        view: the edition in one language.
        page: the path of the page.
        code: the city.
    """
    contents = view.contents
    peers = view.peers.get(code, [])
    means = _means(view, [peer for peer, _distance in peers])
    city = contents.cities[code]
    total = contents.intervals.get(code, {}).get(contents.root["indicator_code"], {})
    return {
        "city": city,
        "total_intervals": total,
        "primaries": _primaries(view, page, code),
        "radar": _radar(view, code),
        "standing": _standing(view, code),
        "peers": [_peer(view, page, peer, distance) for peer, distance in peers],
        "differences": _differences(view, page, code, means),
        "branches": _branches(view, page, code, means),
        "change": contents.changes.get(code),
        "highlights": [
            {**row, "node": contents.indicators[row["indicator_code"]], "href": _node_link(view, page, row)}
            for row in contents.highlights.get(code, [])[:6]
        ],
        "neighbours": _neighbours(view, page, code),
    }


def _node_link(view: View, page: str, row: Row) -> str:
    return view.link(page, view.indicator_page(row["indicator_code"]))


def _means(view: View, peers: list[str]) -> dict[str, float]:
    """The mean score of the nearest cities in each node, over those that have one."""
    means = {}
    for node in view.contents.indicators:
        scores = [
            score
            for peer in peers
            if (score := view.contents.scores.get(peer, {}).get(node, {}).get("score")) is not None
        ]
        if scores:
            means[node] = sum(scores) / len(scores)
    return means


def _tier_mean(view: View, city: Row, indicator: str) -> float | None:
    return view.contents.tier_scores.get(indicator, {}).get(city["tier_code"], {}).get("mean_score")


def _primaries(view: View, page: str, code: str) -> list[Row]:
    city, scores = view.contents.cities[code], view.contents.scores[code]
    rows = []
    for node in view.contents.primaries:
        indicator = node["indicator_code"]
        score = scores[indicator]
        tier_mean = _tier_mean(view, city, indicator)
        rows.append(
            {
                **score,
                "node": node,
                "href": _node_link(view, page, node),
                "colour": view.branch_colours[indicator],
                "tier_mean": tier_mean,
                "difference": None if None in (tier_mean, score["score"]) else score["score"] - tier_mean,
                "interval": view.contents.intervals.get(code, {}).get(indicator, {}).get("weights"),
            }
        )
    return rows


def _share(view: View, indicator: str, score: float | None) -> float | None:
    """Where a score lies in the frame of its indicator, 0..1."""
    if score is None:
        return None
    bottom, top = view.frame(indicator)
    return 0.5 if top <= bottom else min(max((score - bottom) / (top - bottom), 0.0), 1.0)


def _radar(view: View, code: str) -> Row | None:
    """The primaries as a wheel: axes with their names, and the outlines of the city and of its tier."""
    nodes = view.contents.primaries
    if len(nodes) not in _RADAR_AXES:
        return None
    city, scores = view.contents.cities[code], view.contents.scores[code]
    codes = [node["indicator_code"] for node in nodes]
    own = [_share(view, node, scores[node]["score"]) for node in codes]
    tier = [_share(view, node, _tier_mean(view, city, node)) for node in codes]
    axes = []
    for place, node in enumerate(nodes):
        x, y = _on_wheel(place, len(nodes), 1.12)
        axes.append(
            {
                "end": _on_wheel(place, len(nodes), 1),
                "x": x,
                "y": y,
                "anchor": "middle" if abs(x) < _WHEEL / 5 else ("start" if x > 0 else "end"),
                "lines": wrapped(view.words.name(node), 16).split("|"),
                "point": None if own[place] is None else _on_wheel(place, len(nodes), own[place]),
                "label": f"{view.words.name(node)}: {view.score(scores[codes[place]]['score'])}",
            }
        )
    return {
        "axes": axes,
        "rings": [_outline([share] * len(nodes)) for share in (0.25, 0.5, 0.75, 1)],
        "city": _outline(own),
        "tier": _outline(tier) if None not in tier else None,
    }


def _on_wheel(place: int, count: int, share: float) -> tuple[float, float]:
    """Where a share of an axis lies, the first axis upwards, the others clockwise; y grows downwards."""
    angle = 2 * math.pi * place / count
    return round(_WHEEL * share * math.sin(angle), 1), round(-_WHEEL * share * math.cos(angle), 1)


def _outline(shares: list[float | None]) -> str:
    """The corners of an outline as SVG has them; a missing share lies in the middle."""
    return " ".join("{},{}".format(*_on_wheel(place, len(shares), share or 0.0)) for place, share in enumerate(shares))


def _standing(view: View, code: str) -> list[Row]:
    """Rank and intervals in the total and the primaries, with where they lie among all ranks, in percent."""
    found = view.contents.intervals.get(code, {})
    rows = []
    for node in [view.contents.root, *view.contents.primaries]:
        intervals = found.get(node["indicator_code"], {})
        score = view.contents.scores[code].get(node["indicator_code"], {})
        rows.append(
            {
                "node": node,
                "rank": score.get("rank"),
                "ranges": [
                    view.range(intervals[scenario]["rank_p05"], intervals[scenario]["rank_p95"], score.get("rank"))
                    if scenario in intervals
                    else view.range(None, None, None)
                    for scenario in ("weights", "method")
                ],
            }
        )
    return rows


def _peer(view: View, page: str, code: str, distance: float) -> Row:
    city = view.contents.cities[code]
    return {
        "city": city,
        "name": view.words.name(city, "city"),
        "href": view.link(page, view.city_page(code)),
        "distance": number(distance, 2),
    }


def _differences(view: View, page: str, code: str, means: dict[str, float]) -> dict[str, list[Row]]:
    """The secondaries in which a city stands furthest above and below its nearest cities."""
    scores = view.contents.scores[code]
    rows = []
    for node in view.contents.level(2):
        indicator = node["indicator_code"]
        score = scores[indicator]["score"]
        if score is not None and indicator in means:
            rows.append(
                {
                    "node": node,
                    "href": _node_link(view, page, node),
                    "score": score,
                    "mean": means[indicator],
                    "difference": score - means[indicator],
                }
            )
    rows.sort(key=lambda row: -row["difference"])
    # A difference that shows as none is neither.
    least = 0.5 * 10**-view.contents.decimals
    return {
        "strengths": [row for row in rows if row["difference"] >= least][:_NAMED_DIFFERENCES],
        "gaps": [row for row in reversed(rows) if row["difference"] <= -least][:_NAMED_DIFFERENCES],
    }


def _branches(view: View, page: str, code: str, means: dict[str, float]) -> list[Row]:
    """The tree below the total: primaries with their secondaries with their tertiaries."""
    contents = view.contents
    scores, values, records = (found.get(code, {}) for found in (contents.scores, contents.values, contents.records))
    # Bars of contributions are drawn against the greatest one.
    greatest = max((abs(scores[node["indicator_code"]]["contribution"] or 0) for node in contents.level(3)), default=0)

    def shown(node: Row) -> Row:
        indicator = node["indicator_code"]
        score = scores[indicator]
        return {
            **score,
            "node": node,
            "href": _node_link(view, page, node),
            "peers": means.get(indicator),
            "value": values.get(indicator),
            "records": records.get(indicator, []),
            "width": round(100 * abs(score["contribution"] or 0) / greatest, 1) if greatest else 0,
            "children": [shown(child) for child in contents.children(indicator)],
        }

    return [shown(node) for node in contents.primaries]


def _neighbours(view: View, page: str, code: str) -> list[Row]:
    """The cities next to it in the ranking, with how sure it is that they stand in this order."""
    found = []
    for side, other in (("above", "upper_city_code"), ("below", "lower_city_code")):
        pair = view.contents.neighbours.get(code, {}).get(side)
        city = view.contents.cities.get(pair[other]) if pair else None
        if city is not None:
            found.append(
                {
                    **pair,
                    "side": side,
                    "city": city,
                    "name": view.words.name(city, "city"),
                    "href": view.link(page, view.city_page(pair[other])),
                }
            )
    return found
