"""An edition in one language: what its pages are written with.

What belongs here: addresses, colours and figures that several pages of an edition share.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from city_index.report.addresses import in_language, link
from city_index.report.charts import Charts, branch_colours, tier_colours
from city_index.report.reading import EditionContents, Row
from city_index.report.wording import Words, number

FRONT_PAGE = "index.html"


@dataclass(frozen=True)
class View:
    """An edition in one language.

    Attributes:
        contents: what its pages show.
        words: its language.
        charts: the charts in this language.
        peers: for each city its nearest ones, with their distances.
        is_front: whether the site opens with this edition.
        needs_code: whether another edition of the site has the same title and label.
    """

    contents: EditionContents
    words: Words
    charts: Charts
    peers: dict[str, list[tuple[str, float]]]
    is_front: bool
    needs_code: bool = False

    @property
    def front_page(self) -> str:
        """The path of the edition's front page."""
        return FRONT_PAGE if self.is_front else f"{self.contents.folder}/{FRONT_PAGE}"

    @property
    def method_page(self) -> str:
        """The path of its method page."""
        return f"{self.contents.folder}/method.html"

    def city_page(self, code: str) -> str | None:
        """The path of a city's page; None where it has none."""
        city = self.contents.cities.get(code)
        return f"{self.contents.folder}/city/{city['page']}.html" if city else None

    def indicator_page(self, code: str) -> str:
        """The path of an indicator's page."""
        return f"{self.contents.folder}/indicator/{self.contents.indicators[code]['page']}.html"

    def link(self, source: str, target: str) -> str:
        """The address of one page of this language in another."""
        return link(in_language(source, self.words.language), in_language(target, self.words.language))

    def score(self, value: float | None) -> str:
        """A score as this edition shows it."""
        return number(value, self.contents.decimals)

    @cached_property
    def tier_colours(self) -> dict[str, str]:
        """A colour for each tier."""
        return tier_colours(self.contents.tiers)

    @cached_property
    def branch_colours(self) -> dict[str, str]:
        """A colour for each primary."""
        return branch_colours(node["indicator_code"] for node in self.contents.primaries)

    @property
    def notice(self) -> str | None:
        """What must be said beside every score of the edition."""
        notice = self.words.name(self.contents.row, "notice")
        return notice if self.contents.row["notice_zh"] or self.contents.row["notice_en"] else None

    @property
    def title(self) -> str:
        """What the edition is called."""
        row = self.contents.row
        return self.words.name(row, "title") if row["title_zh"] or row["title_en"] else row["index_code"]

    @property
    def name(self) -> str:
        """Title and label, with the code of the index where they do not tell it from another."""
        row = self.contents.row
        return f"{self.title} {row['edition']}" + (f" ({row['index_code']})" if self.needs_code else "")

    def tier_bars(self, indicator_code: str) -> list[Row]:
        """The mean score of each tier, as bars; none where the edition has no tiers."""
        means = self.contents.tier_scores.get(indicator_code, {})
        rows = [
            {
                **means[code],
                "name": self.words.name(tier),
                "value": means[code]["mean_score"],
                "text": self.score(means[code]["mean_score"]),
                "colour": self.tier_colours[code],
            }
            for code, tier in self.contents.tiers.items()
            if code in means and means[code]["mean_score"] is not None
        ]
        return with_widths(rows, *self.frame(indicator_code))

    def frame(self, indicator_code: str) -> tuple[float, float]:
        """Between which scores an indicator is drawn: 0 and 100, or else its own least and greatest."""
        bins = self.contents.bins.get(indicator_code)
        return (bins[0]["bottom"], bins[0]["top"]) if bins else (0.0, 100.0)

    def histogram(self, indicator_code: str) -> Row | None:
        """The cities by score: bins with their heights in percent; None where all score alike or none does."""
        bottom, top = self.frame(indicator_code)
        bins = self.contents.bins.get(indicator_code)
        if not bins or bottom == top:
            return None
        greatest = max(row["city_count"] for row in bins)
        return {
            "bottom": self.score(bottom),
            "middle": self.score((bottom + top) / 2),
            "top": self.score(top),
            "greatest": greatest,
            "bins": [
                {**row, "height": round(100 * row["city_count"] / greatest, 1), "label": self.bin_label(row)}
                for row in bins
            ],
        }

    def range(self, low: int | None, high: int | None, rank: int | None) -> Row:
        """An interval of ranks with where it lies among all ranks of the edition, in percent."""
        span = max(self.contents.row["scored_city_count"], 2) - 1
        places = [None if place is None else round(100 * (place - 1) / span, 2) for place in (low, high, rank)]
        width = None if None in places[:2] else max(round(places[1] - places[0], 2), 0.8)
        return {"low": low, "high": high, "from": places[0], "width": width, "at": places[2]}

    def bin_label(self, row: Row) -> str:
        """What a bin of a distribution says."""
        cities = self.words(f"{row['city_count']} 个城市", f"{row['city_count']} cities")
        return f"{self.score(row['low'])}–{self.score(row['high'])}: {cities}"


def with_widths(rows: list[Row], bottom: float, top: float) -> list[Row]:
    """Rows with a value, each with the width of its bar in percent of the frame."""
    span = top - bottom
    return [
        {**row, "width": round(100 * min(max((row["value"] - bottom) / span, 0), 1), 1) if span > 0 else 0}
        for row in rows
    ]
