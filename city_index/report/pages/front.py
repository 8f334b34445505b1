"""The front page of an edition: the ranking, how sure it is, and the charts beside it."""

from __future__ import annotations

from typing import Any

from city_index.report.charts import BRANCH_COLOURS
from city_index.report.reading import Row
from city_index.report.view import View, with_widths
from city_index.report.wording import number, percent, wrapped

# Of a ranking that is shown in part, and of the map, so many cities are named.
_NAMED_ON_MAP = 4


def front_page(view: View, page: str) -> dict[str, Any]:
    """What the front page's template is given.

    Args:
        view: the edition in one language.
        page: the path of the page.
    """
    contents = view.contents
    clusters = _clusters(view)
    return {
        "ranking": [_ranked(view, page, city) for city in contents.cities.values()],
        "figures": _figures(view),
        "choices": _choices(view),
        "map": _map(view, page),
        "distribution": _distribution(view),
        "clusters": clusters,
        "cluster_chart": _cluster_chart(view, clusters),
        "tier_charts": _tier_charts(view, page),
        "days_to_peak": _days_to_peak(view),
        "context": _context(view),
        "sensitivity": [_factor(view, row) for row in contents.sensitivity],
    }


def _ranked(view: View, page: str, city: Row) -> Row:
    words, contents = view.words, view.contents
    code = city["city_code"]
    scores = contents.scores.get(code, {})
    return {
        "code": code,
        "href": view.link(page, view.city_page(code)),
        "name": words.name(city, "city"),
        "other_name": city["city_en"] if words.language == "zh" else city["city_zh"],
        "rank": city["total_rank"],
        "range": view.range(city["rank_p05"], city["rank_p95"], city["total_rank"]),
        "score": city["total_score"],
        "unrounded": city["unrounded_score"],
        "tier": city["tier_code"],
        "tier_name": words.name(contents.tiers.get(city["tier_code"])) if city["tier_code"] else None,
        "tier_ordinal": contents.tiers[city["tier_code"]]["tier_ordinal"] if city["tier_code"] else None,
        "colour": view.tier_colours.get(city["tier_code"]),
        "province": words.name(city, "province"),
        "cluster": city["cluster_code"],
        "cluster_name": words.name(contents.clusters.get(city["cluster_code"])) if city["cluster_code"] else None,
        "primaries": [scores.get(node["indicator_code"], {}).get("score") for node in contents.primaries],
        "search": " ".join(
            str(part)
            for part in (code, city["city_zh"], city["city_en"], city["province_zh"], city["province_en"])
            if part
        ).lower(),
    }


def _figures(view: View) -> list[tuple[str, str, str]]:
    """What the page begins with: figure, what it is, what follows from it."""
    words, row, certainty = view.words, view.contents.row, view.contents.certainty
    figures = [
        (
            number(row["scored_city_count"], 0),
            words("个城市有得分", "cities with a score"),
            words(f"共 {number(row['city_count'], 0)} 个", f"out of {number(row['city_count'], 0)}"),
        ),
        (
            number(len(view.contents.level(3)), 0),
            words("个三级指标", "tertiary indicators"),
            words(f"归入 {len(view.contents.primaries)} 个一级指标", f"in {len(view.contents.primaries)} primaries"),
        ),
        (view.score(row["mean_total_score"]), words("平均总分", "mean total score"), ""),
    ]
    if certainty["weights_width"] is not None:
        draws = number(certainty["draw_count"], 0)
        figures.append(
            (
                number(certainty["weights_width"], 0),
                words("个名次：90% 区间宽度的中位数", "ranks: the median width of a 90 % interval"),
                words(f"{draws} 组随机权重", f"{draws} random sets of weights"),
            )
        )
    if certainty["pair_count"]:
        figures.append(
            (
                f"{certainty['tied_count']}/{certainty['pair_count']}",
                words("对相邻城市实际上并列", "neighbours are tied in practice"),
                words("先后次序在少于 90% 的情形中成立", "their order holds in less than 90 % of the draws"),
            )
        )
    if row["reconstructed_share"]:
        figures.append(
            (percent(row["reconstructed_share"]), words("观测值为重建", "of the observations reconstructed"), "")
        )
    if row["assumed_weight_share"]:
        figures.append((percent(row["assumed_weight_share"]), words("权重为假设", "of the weight assumed"), ""))
    return figures


def _choices(view: View) -> dict[str, list[tuple[str, str]]]:
    """What the ranking can be filtered by."""
    words, contents = view.words, view.contents
    cities = contents.cities.values()
    tiers, clusters = ({city[name] for city in cities} for name in ("tier_code", "cluster_code"))
    return {
        "tier": [(code, words.name(tier)) for code, tier in contents.tiers.items() if code in tiers],
        "province": [(name, name) for name in sorted({words.name(city, "province") for city in cities})],
        "cluster": [(code, words.name(row)) for code, row in contents.clusters.items() if code in clusters],
    }


def _map(view: View, page: str) -> Any:
    placed = [
        city
        for city in view.contents.cities.values()
        if city["longitude"] is not None and city["latitude"] is not None and city["unrounded_score"] is not None
    ]
    if len(placed) < 2:
        return None
    rows = []
    for place, city in enumerate(placed):
        name, score = view.words.name(city, "city"), view.score(city["total_score"])
        tier = view.words.name(view.contents.tiers.get(city["tier_code"])) if city["tier_code"] else ""
        rows.append(
            {
                "longitude": city["longitude"],
                "latitude": city["latitude"],
                "score": city["unrounded_score"],
                "colour": view.tier_colours.get(city["tier_code"], "#0b5cad"),
                "label": f"{name}: {score}, {view.words('第', 'rank ')}{city['total_rank']}{view.words(' 名', '')}"
                + (f", {tier}" if tier else ""),
                "href": view.link(page, view.city_page(city["city_code"])),
                "name": name if place < _NAMED_ON_MAP else "",
            }
        )
    return view.charts.map.svg(cities=rows)


def _distribution(view: View) -> Any:
    """The cities by total score, with the bounds of the tiers."""
    code = view.contents.root["indicator_code"]
    if view.histogram(code) is None:
        return None
    bounds = [
        {"at": tier["lower_bound_score"], "name": view.words.name(tier)}
        for tier in view.contents.tiers.values()
        if tier["lower_bound_score"] is not None
    ]
    bins = [{**row, "label": view.bin_label(row)} for row in view.contents.bins[code]]
    return view.charts.distribution.svg(bins=bins, bounds=bounds)


def _printed_clusters(view: View) -> dict[str, Row]:
    """What the assessment prints of a cluster's score, by cluster."""
    return {
        row["scope"].removeprefix("cluster:"): row
        for row in view.contents.reconciliation
        if row["scope"].startswith("cluster:") and row["indicator"] == "gdp_weighted_score"
    }


def _clusters(view: View) -> list[Row]:
    printed = _printed_clusters(view)
    rows = []
    for code, scores in view.contents.cluster_scores.items():
        cluster = view.contents.clusters[code]
        fact = printed.get(code)
        rows.append(
            {
                **scores,
                "name": view.words.name(cluster),
                "pattern_name": view.words.name(cluster, "pattern_name"),
                "member_count": cluster["member_count"],
                "printed": fact["published_value"] if fact else None,
                "status": fact["status"] if fact else None,
            }
        )
    return rows


def _cluster_chart(view: View, clusters: list[Row]) -> Any:
    words = view.words
    points = []
    for row in clusters:
        for kind, value in (
            (words("按 GDP 加权", "weighted by GDP"), row["gdp_weighted_score"]),
            (words("简单平均", "plain mean"), row["mean_score"]),
            (words("报告公布", "printed"), row["printed"]),
        ):
            if value is not None:
                points.append(
                    {
                        "name": wrapped(row["name"], 18),
                        "kind": kind,
                        "value": value,
                        "label": f"{row['name']}, {kind}: {view.score(value)}",
                    }
                )
    if not points:
        return None
    mean = view.contents.row["mean_total_score"]
    label = words("全部城市平均", "mean of all cities")
    return view.charts.comparison.svg(points=points, reference=[{"at": mean, "label": f"{label}: {view.score(mean)}"}])


def _tier_charts(view: View, page: str) -> list[Row]:
    """For each primary the charts of its secondaries."""
    branches = []
    for primary in view.contents.primaries:
        charts = []
        for node in view.contents.children(primary["indicator_code"]):
            bars = view.tier_bars(node["indicator_code"])
            if bars:
                charts.append(
                    {"node": node, "bars": bars, "href": view.link(page, view.indicator_page(node["indicator_code"]))}
                )
        if charts:
            branches.append({"node": primary, "charts": charts})
    return branches


def _days_to_peak(view: View) -> list[Row]:
    """The days to the epidemic's peak that the assessment prints for each tier."""
    words = view.words
    printed = {row["scope"].removeprefix("tier:"): row for row in view.contents.context.get("days_to_peak", [])}
    rows = [
        {
            **printed[code],
            "name": words.name(tier),
            "text": number(printed[code]["value"], 0),
            "colour": view.tier_colours[code],
        }
        for code, tier in view.contents.tiers.items()
        if code in printed
    ]
    return with_widths(rows, 0, max(row["value"] for row in rows)) if rows else []


def _context(view: View) -> list[Row]:
    """Series that the documents print of the nation: title, unit, rows and, over periods, a chart."""
    words, found = view.words, []
    for indicator in ("population_65_share", "visits", "visits_per_person"):
        rows = [row for row in view.contents.context.get(indicator, []) if row["period"]]
        if rows:
            columns = [
                {
                    "period": row["period"],
                    "value": row["value"],
                    "text": number(row["value"]),
                    "label": f"{row['period']}: {number(row['value'])} {words.term(row['unit'])}",
                }
                for row in rows
            ]
            found.append(
                {"indicator": indicator, "rows": rows, "chart": view.charts.columns.svg(columns=columns), "bars": []}
            )
    spending = view.contents.context.get("hospital_it_spend_share", [])
    if spending:
        bands = ["le_500k", "500k_5m", "5m_20m", "gt_20m", "unknown"]
        by_band = {row["scope"].removeprefix("band:"): row for row in spending}
        rows = [
            {
                **by_band[band],
                "name": words.term(band),
                "text": f"{number(by_band[band]['value'])} %",
                "colour": BRANCH_COLOURS[0],
            }
            for band in bands
            if band in by_band
        ]
        bars = with_widths(rows, 0, max(row["value"] for row in rows)) if rows else []
        found.append({"indicator": "hospital_it_spend_share", "rows": spending, "chart": None, "bars": bars})
    return found


def _factor(view: View, row: Row) -> Row:
    """A choice of the method and how much it moves the ranks."""
    name = view.words.term(row["factor"])
    node = view.contents.indicators.get(row["indicator_code"])
    if node is not None:
        name = view.words(f"权重：{view.words.name(node)}", f"weight of {view.words.name(node)}")
    return {**row, "name": name}
