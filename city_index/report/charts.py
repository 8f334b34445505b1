"""The charts of an edition, drawn as SVG while the site is built.

A chart is written with Altair, compiled once in each language and then drawn with its rows. Pages so carry pictures
that need no script, can be printed, and whose marks say in words what they show.

What belongs here: charts that are drawn a few times. Drawing one takes tens of milliseconds, so what stands on the page
of every city or indicator (bars, ranges, small distributions, wheels) is laid out by the templates instead.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

from city_index.report.wording import Words

Rows = list[dict[str, Any]]

# Told apart by lightness as well as by hue, whatever colours a reader sees; the darkest is the highest tier.
TIER_COLOURS = ("#3b0f70", "#2c6e9e", "#1f9e89", "#7fb52f", "#f4d44d", "#a3a3a3", "#666666", "#cccccc")
# The palette of Okabe and Ito, without its yellow, which is too light on white.
BRANCH_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#4d4d4d", "#8c6d31")
_INK = "#1c2329"
_SOFT = "#55606b"
_LINE = "#d5dbe1"
_ACCENT = "#0b5cad"
_SECOND = "#d55e00"
_FONT = "system-ui, -apple-system, 'Segoe UI', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"

_CONFIG = {
    "font": _FONT,
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelColor": _INK,
        "titleColor": _SOFT,
        "gridColor": "#e8ecf0",
        "domainColor": _LINE,
        "tickColor": _LINE,
        "labelLimit": 260,
    },
    "text": {"fontSize": 11, "color": _INK},
}
# A name is written twice, white around it first, so that it can be read on any ground.
_OUTLINES = ({"stroke": "#ffffff", "strokeWidth": 3}, {})
_MULTILINE = "split(datum.label, '|')"

# Clip paths are numbered through the whole process; a page that is drawn again must be the same, byte for byte.
_NUMBERED = re.compile(r'(id="|url\(#)(clip|gradient_)(\d+)')


class Drawing:
    """A chart whose form is fixed and whose rows are not."""

    def __init__(self, chart: alt.TopLevelMixin) -> None:
        self._vega = vl_convert.vegalite_to_vega(chart.configure(**_CONFIG).to_dict())

    def svg(self, **datasets: Rows) -> Markup:
        """Draw the chart.

        Args:
            datasets: the rows of each of its datasets, by name.
        """
        vega = copy.copy(self._vega)
        vega["data"] = [
            {**source, "values": datasets[source["name"]]} if source["name"] in datasets else source
            for source in vega["data"]
        ]
        drawn = _NUMBERED.sub(_Renumbering(), vl_convert.vega_to_svg(vega))
        # Links inside a picture are for the pointer: the tables beside it lead to the same pages.
        drawn = drawn.replace("<a ", '<a tabindex="-1" ')
        # What a picture says to readers who do not see it stands in its figure's caption and table.
        return Markup(drawn.replace("<svg ", '<svg aria-hidden="true" ', 1))


class _Renumbering:
    """Numbers what a drawing refers to from one."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, match: re.Match[str]) -> str:
        number = self._numbers.setdefault(match[2] + match[3], len(self._numbers) + 1)
        return f"{match[1]}{match[2]}{number}"


def tier_colours(codes: Iterable[str]) -> dict[str, str]:
    """A colour for each tier, in the order of the tiers; grey beyond the palette's end."""
    return {code: TIER_COLOURS[min(place, len(TIER_COLOURS) - 1)] for place, code in enumerate(codes)}


def branch_colours(codes: Iterable[str]) -> dict[str, str]:
    """A colour for each primary."""
    return {code: BRANCH_COLOURS[place % len(BRANCH_COLOURS)] for place, code in enumerate(codes)}


def _data(name: str) -> alt.NamedData:
    return alt.NamedData(name=name)


class Charts:
    """The charts in one language, each compiled when it is first drawn."""

    def __init__(self, words: Words) -> None:
        self._words = words

    @cached_property
    def map(self) -> Drawing:
        """Cities as dots where they lie. Rows: longitude, latitude, score, colour, label, href, name (or empty)."""
        base = alt.Chart(_data("cities")).project(type="mercator")
        dots = base.mark_circle(opacity=0.9, stroke="#3a3a3a", strokeWidth=0.5).encode(
            longitude="longitude:Q",
            latitude="latitude:Q",
            color=alt.Color("colour:N", scale=None),
            size=alt.Size("score:Q", scale=alt.Scale(range=[18, 190]), legend=None),
            href="href:N",
            description="label:N",
            order=alt.Order("score:Q", sort="descending"),
        )
        names = [
            base.mark_text(dx=9, align="left", fontSize=11, fontWeight=600, **outline).encode(
                longitude="longitude:Q", latitude="latitude:Q", text="name:N"
            )
            for outline in _OUTLINES
        ]
        return Drawing(alt.layer(dots, *names).properties(width=460, height=380))

    @cached_property
    def distribution(self) -> Drawing:
        """Cities by score. Rows of bins: low, high, city_count, label; of bounds: at, name."""
        bars = (
            alt.Chart(_data("bins"))
            .mark_bar(color=_ACCENT, stroke="#ffffff", strokeWidth=0.5)
            .encode(
                x=alt.X("low:Q", title=self._words("得分", "Score"), scale=alt.Scale(nice=False, zero=False)),
                x2="high:Q",
                y=alt.Y(
                    "city_count:Q", title=self._words("城市数", "Cities"), axis=alt.Axis(tickMinStep=1, tickCount=5)
                ),
                y2=alt.datum(0),
                description="label:N",
            )
        )
        rules = (
            alt.Chart(_data("bounds"))
            .mark_rule(color=_SECOND, strokeDash=[4, 3], strokeWidth=1.3)
            .encode(x="at:Q", description="name:N")
        )
        names = [
            alt.Chart(_data("bounds"))
            .mark_text(align="right", angle=270, dy=7, fontSize=10, **outline)
            .encode(x="at:Q", y=alt.value(2), text="name:N")
            for outline in _OUTLINES
        ]
        return Drawing(alt.layer(bars, rules, *names).properties(width=360, height=170))

    @cached_property
    def columns(self) -> Drawing:
        """Columns over periods, with their figures. Rows: period, value, text, label."""
        base = alt.Chart(_data("columns")).encode(
            x=alt.X("period:N", sort=None, title=None, axis=alt.Axis(labelAngle=0, ticks=False))
        )
        columns = base.mark_bar(color=_ACCENT).encode(y=alt.Y("value:Q", title=None, axis=None), description="label:N")
        texts = base.mark_text(baseline="bottom", dy=-3, fontSize=10).encode(y="value:Q", text="text:N")
        return Drawing((columns + texts).properties(width=alt.Step(42), height=120))

    @cached_property
    def comparison(self) -> Drawing:
        """Points of several kinds on one line each. Rows: name, kind, value, label; of reference: at, label."""
        kinds = [
            self._words("按 GDP 加权", "weighted by GDP"),
            self._words("简单平均", "plain mean"),
            self._words("报告公布", "printed"),
        ]
        points = (
            alt.Chart(_data("points"))
            .mark_point(filled=True, size=80, opacity=1)
            .encode(
                x=alt.X("value:Q", title=self._words("得分", "Score"), scale=alt.Scale(zero=False, padding=12)),
                y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelExpr=_MULTILINE, ticks=False, grid=True)),
                color=alt.Color(
                    "kind:N",
                    title=None,
                    scale=alt.Scale(domain=kinds, range=[_ACCENT, "#56b4e9", _SECOND]),
                    legend=alt.Legend(orient="bottom", labelFontSize=11, columns=3),
                ),
                shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=["circle", "square", "diamond"])),
                description="label:N",
            )
        )
        rule = (
            alt.Chart(_data("reference"))
            .mark_rule(color=_SOFT, strokeDash=[2, 3])
            .encode(x="at:Q", description="label:N")
        )
        return Drawing((rule + points).properties(width=270, height=alt.Step(38)))

    @cached_property
    def sunburst(self) -> Drawing:
        """A tree as rings. Rows of arcs: start, end, inner, outer, colour, opacity, label, href; of names: angle,
        radius, name."""
        arcs = (
            alt.Chart(_data("arcs"))
            .mark_arc(stroke="#ffffff", strokeWidth=1)
            .encode(
                theta=alt.Theta("start:Q", scale=None),
                theta2="end:Q",
                radius=alt.Radius("inner:Q", scale=None),
                radius2="outer:Q",
                color=alt.Color("colour:N", scale=None),
                opacity=alt.Opacity("opacity:Q", scale=None),
                href="href:N",
                description="label:N",
            )
        )
        names = [
            alt.Chart(_data("names"))
            .mark_text(fontSize=11, lineBreak="|", fontWeight=600, baseline="middle", **outline)
            .encode(theta=alt.Theta("angle:Q", scale=None), radius=alt.Radius("radius:Q", scale=None), text="name:N")
            for outline in _OUTLINES
        ]
        return Drawing(alt.layer(arcs, *names).properties(width=430, height=430))
